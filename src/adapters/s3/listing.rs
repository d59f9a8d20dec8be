//! Answers of S3 in XML, as far as they are asked for. What a node sent is never repeated to anybody.

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::ports::object_storage::Occupancy;

/// Whether a ListObjectsV2 answer lists anything
/// ([ListObjectsV2](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html)).
pub(super) fn occupancy(body: &[u8]) -> Result<Occupancy, String> {
    let names = element_names(body)?;
    if names.first().map(String::as_str) != Some("ListBucketResult") {
        return Err("the answer is not a listing".to_owned());
    }
    let occupied = names.iter().any(|name| name == "Contents" || name == "CommonPrefixes");
    Ok(if occupied { Occupancy::Occupied } else { Occupancy::Empty })
}

/// Whether an error answer says that the bucket does not exist, and not something else.
pub(super) fn says_no_such_bucket(body: &[u8]) -> bool {
    String::from_utf8_lossy(body).contains("<Code>NoSuchBucket</Code>")
}

fn element_names(body: &[u8]) -> Result<Vec<String>, String> {
    let mut reader = Reader::from_reader(body);
    let mut names = Vec::new();
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) => {
                names.push(String::from_utf8_lossy(element.local_name().as_ref()).into_owned());
            }
            Ok(Event::Eof) => return Ok(names),
            Ok(_) => {}
            Err(_) => return Err("the answer is not XML".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_empty_or_occupied_and_anything_else_is_neither() {
        let listing =
            |inner: &str| format!("<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\">{inner}</ListBucketResult>");
        assert_eq!(occupancy(listing("<KeyCount>0</KeyCount>").as_bytes()), Ok(Occupancy::Empty));
        assert_eq!(occupancy(listing("<Contents><Key>a</Key></Contents>").as_bytes()), Ok(Occupancy::Occupied));
        for bad in ["", "<html/>", "not xml <", "<ListBucketResult><", "\u{0}"] {
            assert!(occupancy(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
