//! What is wrong with a document as a whole: references that lead nowhere, names that clash. What single values must be
//! is settled before, by their constructors; what nginx and the database demand is said by those who carry it out.

use std::collections::HashMap;

use super::{Manifest, Subject};
use crate::domain::pool::PoolName;

/// Something that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The way to it from the top of the document.
    pub path: Vec<String>,
    /// What it is, for the operator.
    pub what: String,
}

impl Fault {
    /// The way to it as text: `vhosts.s3.example.routes["/a/"].pool`.
    #[must_use]
    pub fn place(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            let plain = step.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '*'));
            match (plain, text.is_empty()) {
                (true, true) => text.push_str(step),
                (true, false) => text.push_str(&format!(".{step}")),
                (false, _) => text.push_str(&format!("[{step:?}]")),
            }
        }
        text
    }

    /// A fault at a place below a subject.
    #[must_use]
    pub fn at(subject: &Subject, field: Option<&str>, what: impl Into<String>) -> Self {
        let mut path = subject.path();
        path.extend(field.map(str::to_owned));
        Self { path, what: what.into() }
    }
}

impl Manifest {
    /// Everything that is wrong with it, on a gateway that is to be `whole`: this document, and perhaps what it does not
    /// name.
    #[must_use]
    pub fn faults(&self, whole: &Manifest) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.clashing_pools(whole, &mut faults);
        let mut expect_pool = |subject: &Subject, field: &str, pool: &PoolName| {
            if !whole.pools.contains_key(pool) {
                faults.push(Fault::at(subject, Some(field), format!("no pool named {pool}")));
            }
        };
        for (name, pool) in &self.pools {
            if let Some(source) = &pool.source {
                expect_pool(&Subject::Pool(name.clone()), "source_nanio_pool", source);
            }
        }
        for (name, vhost) in &self.vhosts {
            if let Some(pool) = &vhost.default_pool {
                expect_pool(&Subject::Vhost(name.clone()), "default_pool", pool);
            }
            for (prefix, route) in &vhost.routes {
                if !whole.pools.contains_key(&route.pool) {
                    expect_pool(&Subject::Route(name.clone(), prefix.clone()), "pool", &route.pool);
                }
            }
        }
        self.clashing_routes(&mut faults);
        faults
    }

    /// nginx compares the names of upstreams without regard to case.
    fn clashing_pools(&self, whole: &Manifest, faults: &mut Vec<Fault>) {
        let mut seen: HashMap<String, &PoolName> = HashMap::new();
        for name in whole.pools.keys() {
            let Some(other) = seen.insert(name.as_str().to_ascii_lowercase(), name) else { continue };
            let (own, other) = if self.pools.contains_key(name) { (name, other) } else { (other, name) };
            let what =
                format!("differs from pool {other} only in the case of its letters, which nginx does not tell apart");
            faults.push(Fault::at(&Subject::Pool(own.clone()), None, what));
        }
    }

    /// `/a` and `/a/` would claim the same requests.
    fn clashing_routes(&self, faults: &mut Vec<Fault>) {
        for (name, vhost) in &self.vhosts {
            let mut seen = HashMap::new();
            for prefix in vhost.routes.keys() {
                if let Some(other) = seen.insert(prefix.canonical(), prefix) {
                    let subject = Subject::Route(name.clone(), prefix.clone());
                    faults.push(Fault::at(&subject, None, format!("claims the same requests as {other}")));
                }
            }
        }
    }
}
