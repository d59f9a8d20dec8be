//! What S3 answers in XML, as far as it is asked for.

use crate::domain::bucket::BucketName;
use crate::domain::object::{FolderPage, Object, ObjectPage, Undeleted, Upload, UploadPage};
use crate::domain::time::Timestamp;

use super::xml;

/// An answer that cannot be used, in words of ours.
pub(super) type Odd = &'static str;

/// The error code of an answer, if it is one of S3: 1–64 letters.
pub(super) fn error_code(body: &[u8]) -> Option<String> {
    let mut found = None;
    xml::read(body, "Error", |path, text| {
        if path == ["Code"] {
            found = code(text);
        }
    })
    .ok()?;
    found
}

fn code(text: &str) -> Option<String> {
    let token = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    token.then(|| text.to_owned())
}

/// A page of [ListBuckets](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html), and where the next
/// one begins.
pub(super) fn buckets(body: &[u8]) -> Result<(Vec<BucketName>, Option<String>), Odd> {
    let (mut names, mut next) = (Vec::new(), None);
    xml::read(body, "ListAllMyBucketsResult", |path, text| match path {
        ["Buckets", "Bucket", "Name"] => names.extend(BucketName::parse(text)),
        ["ContinuationToken"] if !text.is_empty() => next = Some(text.to_owned()),
        _ => {}
    })?;
    Ok((names, next))
}

/// A page of [ListObjectsV2](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html).
pub(super) fn objects(body: &[u8]) -> Result<ObjectPage, Odd> {
    let FolderPage { objects, next, .. } = folder(body)?;
    Ok(ObjectPage { objects, next })
}

/// The same, with a delimiter.
pub(super) fn folder(body: &[u8]) -> Result<FolderPage, Odd> {
    let (mut page, mut encoded, mut truncated) = (FolderPage::default(), false, false);
    let (mut key, mut size, mut etag, mut modified) = (None, None, None, None);
    let mut odd = None;
    xml::read(body, "ListBucketResult", |path, text| match path {
        ["EncodingType"] => encoded = text == "url",
        ["IsTruncated"] => truncated = text == "true",
        ["NextContinuationToken"] => page.next = Some(text.to_owned()),
        ["Contents", "Key"] => key = Some(text.to_owned()),
        ["Contents", "Size"] => size = text.parse().ok(),
        ["Contents", "ETag"] => etag = entity_tag(text),
        ["Contents", "LastModified"] => modified = Timestamp::of_rfc3339(text),
        ["CommonPrefixes", "Prefix"] => page.folders.push(text.to_owned()),
        ["Contents"] => match (key.take(), size.take(), etag.take(), modified.take()) {
            (Some(key), Some(size), etag, modified) => page.objects.push(Object { key, size, etag, modified }),
            _ => odd = Some("the answer lists an object without key or size"),
        },
        _ => {}
    })?;
    if let Some(odd) = odd {
        return Err(odd);
    }
    if encoded {
        for key in page.objects.iter_mut().map(|object| &mut object.key).chain(&mut page.folders) {
            *key = decoded(key).ok_or("the answer holds a key that is not UTF-8")?;
        }
    }
    match (truncated, page.next.is_some()) {
        (true, false) => Err("the answer does not say where the next page begins"),
        (true, true) => Ok(page),
        (false, _) => Ok(FolderPage { next: None, ..page }),
    }
}

/// An entity tag as it stands in a header or an answer, without its quotes.
pub(super) fn entity_tag(text: &str) -> Option<String> {
    let bare = text.trim().trim_start_matches("W/").trim_matches('"');
    (!bare.is_empty()).then(|| bare.to_owned())
}

/// A page of [ListMultipartUploads](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html).
pub(super) fn uploads(body: &[u8]) -> Result<UploadPage, Odd> {
    let (mut uploads, mut encoded, mut truncated) = (Vec::new(), false, false);
    let (mut key, mut id, mut next_key, mut next_id) = (None, None, None, None);
    let mut odd = None;
    xml::read(body, "ListMultipartUploadsResult", |path, text| match path {
        ["EncodingType"] => encoded = text == "url",
        ["IsTruncated"] => truncated = text == "true",
        ["NextKeyMarker"] => next_key = Some(text.to_owned()),
        ["NextUploadIdMarker"] => next_id = Some(text.to_owned()),
        ["Upload", "Key"] => key = Some(text.to_owned()),
        ["Upload", "UploadId"] => id = Some(text.to_owned()),
        ["Upload"] => match (key.take(), id.take()) {
            (Some(key), Some(id)) => uploads.push(Upload { key, id }),
            _ => odd = Some("the answer lists an upload without key or id"),
        },
        _ => {}
    })?;
    if let Some(odd) = odd {
        return Err(odd);
    }
    let next = next_key.zip(next_id).map(|(key, id)| Upload { key, id }).filter(|_| truncated);
    if truncated && next.is_none() {
        return Err("the answer does not say where the next page begins");
    }
    let mut page = UploadPage { uploads, next };
    if encoded {
        for upload in page.uploads.iter_mut().chain(&mut page.next) {
            upload.key = decoded(&upload.key).ok_or("the answer holds a key that is not UTF-8")?;
        }
    }
    Ok(page)
}

/// What an answer to [DeleteObjects](https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html) says is
/// still there.
pub(super) fn undeleted(body: &[u8]) -> Result<Vec<Undeleted>, Odd> {
    let (mut left, mut key, mut why) = (Vec::new(), String::new(), None);
    xml::read(body, "DeleteResult", |path, text| match path {
        ["Error", "Key"] => text.clone_into(&mut key),
        ["Error", "Code"] => why = code(text),
        ["Error"] => left.push(Undeleted {
            key: std::mem::take(&mut key),
            why: why.take().unwrap_or_else(|| "no reason given".to_owned()),
        }),
        _ => {}
    })?;
    Ok(left)
}

/// A key that was asked for with `encoding-type=url`.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(inner: &str) -> Result<ObjectPage, Odd> {
        objects(format!("<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\">{inner}</ListBucketResult>").as_bytes())
    }

    #[test]
    fn a_listing_holds_keys_sizes_and_the_way_on() {
        let object = |key: &str, size| Object { key: key.to_owned(), size, etag: None, modified: None };
        let page = listing(
            "<IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;1</NextContinuationToken>\
             <Contents><Key>a%20b</Key><Size>3</Size><Owner><ID>x</ID></Owner></Contents>",
        );
        assert_eq!(page, Ok(ObjectPage { objects: vec![object("a%20b", 3)], next: Some("t&1".to_owned()) }));
        let page = listing(
            "<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>\
             <Contents><Key>a%20b+c%2B%C3%A9</Key><Size>18446744073709551615</Size></Contents>",
        );
        assert_eq!(page, Ok(ObjectPage { objects: vec![object("a b c+é", u64::MAX)], next: None }));
        assert_eq!(listing("<KeyCount>0</KeyCount>"), Ok(ObjectPage::default()));
    }

    #[test]
    fn a_folder_holds_objects_and_folders_by_their_whole_names() {
        let body = "<ListBucketResult><EncodingType>url</EncodingType><Prefix>a%2F</Prefix>\
            <Contents><Key>a%2F</Key><Size>0</Size></Contents>\
            <Contents><LastModified>2026-11-27T09:30:00.250Z</LastModified><ETag>&quot;5d41&quot;</ETag><Key>a%2Fb+c</Key><Size>5</Size></Contents>\
            <CommonPrefixes><Prefix>a%2F%2F</Prefix></CommonPrefixes>\
            <CommonPrefixes><Prefix>a%2F%C3%A9%2F</Prefix></CommonPrefixes></ListBucketResult>";
        let object = |key: &str, size, etag: Option<&str>| Object {
            key: key.to_owned(),
            size,
            etag: etag.map(str::to_owned),
            modified: etag.and_then(|_| Timestamp::parse("2026-11-27 09:30:00")),
        };
        let page = folder(body.as_bytes()).unwrap();
        assert_eq!(page.objects, [object("a/", 0, None), object("a/b c", 5, Some("5d41"))]);
        assert_eq!((page.folders, page.next), (vec!["a//".to_owned(), "a/é/".to_owned()], None));
    }

    #[test]
    fn f36_a_listing_that_leaves_out_what_it_must_say_is_none() {
        for bad in [
            "<IsTruncated>true</IsTruncated>",
            "<Contents><Key>a</Key></Contents>",
            "<Contents><Size>1</Size></Contents>",
            "<Contents><Key>a</Key><Size>-1</Size></Contents>",
            "<EncodingType>url</EncodingType><Contents><Key>%zz</Key><Size>1</Size></Contents>",
            "<EncodingType>url</EncodingType><Contents><Key>%ff</Key><Size>1</Size></Contents>",
        ] {
            assert!(listing(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn f36_an_error_code_is_a_word_or_nothing() {
        let told =
            |code: &str| error_code(format!("<Error><Code>{code}</Code><Message>m</Message></Error>").as_bytes());
        assert_eq!(told("NoSuchBucket").as_deref(), Some("NoSuchBucket"));
        for bad in ["", "a b", "a1", "<b/>", "é", &"x".repeat(65), "a\n"] {
            assert_eq!(told(bad), None, "{bad}");
        }
        assert_eq!(error_code(b"<html><Error><Code>NoSuchBucket</Code></Error></html>"), None);
    }

    #[test]
    fn buckets_that_no_route_could_name_are_left_out() {
        let body = b"<ListAllMyBucketsResult><Owner><ID>x</ID></Owner><Buckets>\
            <Bucket><Name>a-1</Name></Bucket><Bucket><Name>&lt;script&gt;</Name></Bucket><Bucket><Name>..</Name></Bucket>\
            </Buckets><ContinuationToken>t</ContinuationToken></ListAllMyBucketsResult>";
        assert_eq!(buckets(body), Ok((vec![BucketName::parse("a-1").unwrap()], Some("t".to_owned()))));
    }

    #[test]
    fn uploads_and_what_was_not_deleted_are_read() {
        let upload = |key: &str, id: &str| Upload { key: key.to_owned(), id: id.to_owned() };
        let body = b"<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
            <NextKeyMarker>a%2Fb</NextKeyMarker><NextUploadIdMarker>2</NextUploadIdMarker>\
            <Upload><Key>a%2Fa</Key><UploadId>1</UploadId></Upload></ListMultipartUploadsResult>";
        assert_eq!(uploads(body), Ok(UploadPage { uploads: vec![upload("a/a", "1")], next: Some(upload("a/b", "2")) }));
        let body = b"<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code></Error>\
            <Error><Key>c</Key><Code>no word</Code></Error></DeleteResult>";
        let left = undeleted(body).unwrap();
        assert_eq!((left[0].key.as_str(), left[0].why.as_str()), ("b", "AccessDenied"));
        assert_eq!((left[1].key.as_str(), left[1].why.as_str()), ("c", "no reason given"));
    }
}
