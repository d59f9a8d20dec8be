//! Where the S3 service of a pool is, and in whose name it is asked.

use std::fmt;

use super::credential::{Endpoint, Keys, Region};
use super::pool::Address;

/// The S3 service of a pool. Requests go to one place after the other until one answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The enabled members of the pool.
    pub members: Vec<Address>,
    /// What is asked in their place.
    pub endpoint: Option<Endpoint>,
    /// The region that requests are signed for.
    pub region: Region,
    /// What they are signed with; none: they are not signed.
    pub keys: Option<Keys>,
}

/// One address of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// A storage node.
    Member(&'a Address),
    /// What stands before the storage nodes.
    Endpoint(&'a Endpoint),
}

impl Site {
    /// What is to be asked, in order: the endpoint if there is one, else every member.
    #[must_use]
    pub fn places(&self) -> Vec<Place<'_>> {
        match &self.endpoint {
            Some(endpoint) => vec![Place::Endpoint(endpoint)],
            None => self.members.iter().map(Place::Member).collect(),
        }
    }
}

impl Place<'_> {
    /// What the path of a request is appended to; `None` for a unix socket, which no URL names.
    #[must_use]
    pub fn base(&self) -> Option<String> {
        match self {
            Self::Endpoint(endpoint) => Some(endpoint.base().to_owned()),
            Self::Member(address) => address.host_port().map(|_| format!("http://{address}")),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(address) => address.fmt(f),
            Self::Endpoint(endpoint) => endpoint.fmt(f),
        }
    }
}
