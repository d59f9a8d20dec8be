//! Lists in pages: `?limit=&after=&after_key=`, and the `Link` to the next page (RFC 8288).

use poem::http::header;
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaHeader, MetaResponses, Registry};
use serde::Serialize;
use serde_json::Value;

use super::error::ApiError;
use super::fault::Fault;
use super::fields::Field;
use super::params::{Limit, Query};
use super::reply::Shown;
use super::schema::Described;
use crate::domain::invalid::Invalid;
use crate::domain::page::{Page, Seen, Window};

/// How long a page is when only its beginning is asked for.
const LIMIT: u64 = 100;
const LINK: &str = "The next page, `rel=\"next\"` (RFC 8288). Absent on the last page and on a whole list.";

/// How long a page is asked for, and behind which entry it begins; `None` if the whole list is asked for, as
/// clients of 0.4.x do.
///
/// # Errors
/// Every fault of the parameters.
pub fn part<Id: Field>(limit: Query<Limit>, after: Query<Id>) -> Result<Option<(u64, Option<Id>)>, ApiError> {
    let mut faults = Vec::new();
    let (limit, after) = (limit.read(&mut faults), after.read(&mut faults));
    if !faults.is_empty() {
        return Err(ApiError::faults(faults));
    }
    Ok(of(limit, after))
}

fn of<Id>(limit: Option<Limit>, after: Option<Id>) -> Option<(u64, Option<Id>)> {
    let asked = limit.is_some() || after.is_some();
    asked.then(|| (limit.map_or(LIMIT, |Limit(limit)| limit), after))
}

/// As [`part`], of a list that is not ordered by id alone: `parse` reads what it is ordered by.
///
/// # Errors
/// Every fault of the parameters.
pub fn window<Id: Field, Key>(
    limit: Query<Limit>,
    after: Query<Id>,
    after_key: Query<String>,
    parse: fn(&str) -> Result<Key, Invalid>,
) -> Result<Option<Window<Id, Key>>, ApiError> {
    let mut faults = Vec::new();
    let key = after_key.read(&mut faults).and_then(|text| {
        let lonely = || Err(Invalid::rule("after_key goes with after, the id of the same entry"));
        let parsed = if after.is_given() { parse(&text) } else { lonely() };
        let located = |invalid| Fault::of(&invalid, &Value::from(text)).under("after_key").under("query");
        parsed.map_err(|invalid| faults.push(located(invalid))).ok()
    });
    let (limit, after) = (limit.read(&mut faults), after.read(&mut faults));
    if !faults.is_empty() {
        return Err(ApiError::faults(faults));
    }
    let window = |(limit, after): (u64, Option<Id>)| Window { limit, after: after.map(|id| Seen { id, key }) };
    Ok(of(limit, after).map(window))
}

/// 200 with a list or a page of it.
#[derive(Debug)]
pub struct Listed<T> {
    entries: Vec<T>,
    next: Option<String>,
}

impl<T> Listed<T> {
    /// The whole list.
    pub fn whole<E: Into<T>>(entries: Vec<E>) -> Self {
        Self { entries: entries.into_iter().map(Into::into).collect(), next: None }
    }

    /// A page of the list at `path`; `place` tells id and key of an entry, for the link to the next page.
    pub fn page<E: Into<T>>(page: Page<E>, path: &str, limit: u64, place: impl Fn(&E) -> (i64, Option<&str>)) -> Self {
        let next = page.entries.last().filter(|_| page.more).map(|last| {
            let (id, key) = place(last);
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("limit", &limit.to_string()).append_pair("after", &id.to_string());
            if let Some(key) = key {
                query.append_pair("after_key", key);
            }
            format!("<{path}?{}>; rel=\"next\"", query.finish())
        });
        Self { next, ..Self::whole(page.entries) }
    }
}

impl<T: Described + Serialize + Send> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        let answer = Shown(self.entries).into_response();
        match self.next {
            Some(next) => answer.with_header(header::LINK, next).into_response(),
            None => answer,
        }
    }
}

impl<T: Described> ApiResponse for Listed<T> {
    fn meta() -> MetaResponses {
        let mut meta = Shown::<Vec<T>>::meta();
        for response in &mut meta.responses {
            response.headers.push(MetaHeader {
                name: "Link".to_owned(),
                description: Some(LINK.to_owned()),
                required: false,
                deprecated: false,
                schema: String::schema(),
            });
        }
        meta
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}
