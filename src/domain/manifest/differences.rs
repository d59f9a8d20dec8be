//! From two documents to the steps that lead from one to the other, in an order in which each can be taken.

use std::collections::{BTreeMap, HashMap};

use super::{Difference, FieldDifference, Manifest, MemberSpec, PoolSpec, RouteSpec, Subject, Verb, VhostSpec};
use crate::domain::pool::{Address, PoolName};
use crate::domain::route::PathPrefix;
use crate::domain::vhost::{IpRules, ServerName};

/// In what two documents differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// What is to be done, in order: what others need comes first, what others no longer need goes last.
    pub steps: Vec<Difference>,
    /// What only the present document has, and what therefore stays as it is.
    pub unmanaged: Vec<Subject>,
}

/// What leads from `present` to `wanted`. Unless `prune`, nothing is removed that `wanted` does not name.
#[must_use]
pub fn compare(present: &Manifest, wanted: &Manifest, prune: bool) -> Differences {
    let mut found = Found::default();
    for (name, pool) in &wanted.pools {
        found.pool(name, present.pools.get(name), pool);
    }
    for (name, pool) in &present.pools {
        if !wanted.pools.contains_key(name) {
            found.gone_pool(name, pool);
        }
    }
    for (name, vhost) in &wanted.vhosts {
        found.vhost(name, present.vhosts.get(name), vhost);
    }
    for (name, vhost) in &present.vhosts {
        if !wanted.vhosts.contains_key(name) {
            found.gone_vhost(name, vhost);
        }
    }
    found.ordered(prune)
}

#[derive(Default)]
struct Found {
    pools: Vec<Difference>,
    /// `http` pools that name another one, which must be there first.
    linked_pools: Vec<Difference>,
    members: Vec<Difference>,
    gone_members: Vec<Subject>,
    vhosts: Vec<Difference>,
    routes: Vec<Difference>,
    gone_routes: Vec<Subject>,
    ignored: Vec<Difference>,
    gone_ignored: Vec<Subject>,
    gone_vhosts: Vec<Subject>,
    gone_linked_pools: Vec<Subject>,
    gone_pools: Vec<Subject>,
}

impl Found {
    fn pool(&mut self, name: &PoolName, present: Option<&PoolSpec>, wanted: &PoolSpec) {
        let subject = Subject::Pool(name.clone());
        let linked = wanted.source.is_some();
        let list = if linked { &mut self.linked_pools } else { &mut self.pools };
        match present {
            None => list.push(Difference::whole(Verb::Create, subject)),
            Some(present) => list.extend(changed(subject, pool_fields(present, wanted))),
        }
        self.members(name, present.map_or(&[], |pool| &pool.members), &wanted.members);
    }

    /// Members are the same if their addresses are; several with one address are told apart by their order.
    fn members(&mut self, pool: &PoolName, present: &[MemberSpec], wanted: &[MemberSpec]) {
        let mut known: HashMap<(&Address, usize), &MemberSpec> = numbered(present).collect();
        for ((address, number), member) in numbered(wanted) {
            let subject = Subject::Member(pool.clone(), address.clone(), number);
            match known.remove(&(address, number)) {
                None => self.members.push(Difference::whole(Verb::Create, subject)),
                Some(before) => self.members.extend(changed(subject, member_fields(before, member))),
            }
        }
        let gone = numbered(present).filter(|(key, _)| known.contains_key(key));
        let subjects = gone.map(|((address, number), _)| Subject::Member(pool.clone(), address.clone(), number));
        self.gone_members.extend(subjects);
    }

    fn gone_pool(&mut self, name: &PoolName, pool: &PoolSpec) {
        let list = if pool.source.is_some() { &mut self.gone_linked_pools } else { &mut self.gone_pools };
        list.push(Subject::Pool(name.clone()));
    }

    fn vhost(&mut self, name: &ServerName, present: Option<&VhostSpec>, wanted: &VhostSpec) {
        let subject = Subject::Vhost(name.clone());
        match present {
            None => self.vhosts.push(Difference::whole(Verb::Create, subject)),
            Some(present) => self.vhosts.extend(changed(subject, vhost_fields(present, wanted))),
        }
        let nothing = BTreeMap::new();
        self.routes(name, present.map_or(&nothing, |vhost| &vhost.routes), &wanted.routes);
        let known = present.map(|vhost| &vhost.ignored_buckets);
        let ignored = |bucket| Subject::IgnoredBucket(name.clone(), bucket);
        for bucket in wanted.ignored_buckets.iter().filter(|bucket| known.is_none_or(|known| !known.contains(*bucket)))
        {
            self.ignored.push(Difference::whole(Verb::Create, ignored(bucket.clone())));
        }
        for bucket in known.into_iter().flatten().filter(|bucket| !wanted.ignored_buckets.contains(*bucket)) {
            self.gone_ignored.push(ignored(bucket.clone()));
        }
    }

    fn routes(
        &mut self,
        vhost: &ServerName,
        present: &BTreeMap<PathPrefix, RouteSpec>,
        wanted: &BTreeMap<PathPrefix, RouteSpec>,
    ) {
        let mut known: HashMap<&str, (&PathPrefix, &RouteSpec)> =
            present.iter().map(|(prefix, route)| (prefix.canonical(), (prefix, route))).collect();
        for (prefix, route) in wanted {
            let subject = Subject::Route(vhost.clone(), prefix.clone());
            match known.remove(prefix.canonical()) {
                None => self.routes.push(Difference::whole(Verb::Create, subject)),
                Some(before) => self.routes.extend(changed(subject, route_fields(before, (prefix, route)))),
            }
        }
        let gone = present.keys().filter(|prefix| known.contains_key(prefix.canonical()));
        self.gone_routes.extend(gone.map(|prefix| Subject::Route(vhost.clone(), prefix.clone())));
    }

    /// Whole vhosts that go take their routes and ignored buckets along, whole pools their members.
    fn gone_vhost(&mut self, name: &ServerName, vhost: &VhostSpec) {
        self.gone_routes.extend(vhost.routes.keys().map(|prefix| Subject::Route(name.clone(), prefix.clone())));
        self.gone_vhosts.push(Subject::Vhost(name.clone()));
    }

    fn ordered(self, prune: bool) -> Differences {
        let removed = |list: Vec<Subject>| list.into_iter().map(|subject| Difference::whole(Verb::Delete, subject));
        let made = self.pools.into_iter().chain(self.linked_pools).chain(self.members);
        let vhosts = self.vhosts.into_iter();
        if prune {
            let steps = made
                .chain(removed(self.gone_members))
                .chain(vhosts)
                .chain(removed(self.gone_routes))
                .chain(self.routes)
                .chain(removed(self.gone_ignored))
                .chain(self.ignored)
                .chain(removed(self.gone_vhosts))
                .chain(removed(self.gone_linked_pools))
                .chain(removed(self.gone_pools));
            return Differences { steps: steps.collect(), unmanaged: Vec::new() };
        }
        let unmanaged = [
            self.gone_linked_pools,
            self.gone_pools,
            self.gone_members,
            self.gone_vhosts,
            self.gone_routes,
            self.gone_ignored,
        ];
        let mut unmanaged = unmanaged.concat();
        unmanaged.sort();
        Differences { steps: made.chain(vhosts).chain(self.routes).chain(self.ignored).collect(), unmanaged }
    }
}

fn numbered(members: &[MemberSpec]) -> impl Iterator<Item = ((&Address, usize), &MemberSpec)> {
    let mut seen: HashMap<&Address, usize> = HashMap::new();
    members.iter().map(move |member| {
        let next = seen.entry(&member.address).or_default();
        let number = *next;
        *next += 1;
        ((&member.address, number), member)
    })
}

fn changed(subject: Subject, fields: Vec<FieldDifference>) -> Option<Difference> {
    (!fields.is_empty()).then_some(Difference { verb: Verb::Update, subject, fields })
}

/// Collects the fields that differ.
struct Fields(Vec<FieldDifference>);

impl Fields {
    fn put(&mut self, field: &'static str, before: Option<String>, after: Option<String>) {
        if before != after {
            self.0.push(FieldDifference { field, before, after });
        }
    }

    fn text(&mut self, field: &'static str, before: impl ToString, after: impl ToString) {
        self.put(field, Some(before.to_string()), Some(after.to_string()));
    }

    fn optional<T: ToString>(&mut self, field: &'static str, before: Option<&T>, after: Option<&T>) {
        self.put(field, before.map(T::to_string), after.map(T::to_string));
    }
}

fn pool_fields(before: &PoolSpec, after: &PoolSpec) -> Vec<FieldDifference> {
    let mut fields = Fields(Vec::new());
    fields.optional("description", before.description.as_ref(), after.description.as_ref());
    fields.text("type", before.kind.as_str(), after.kind.as_str());
    fields.text("lb_method", before.lb_method.as_str(), after.lb_method.as_str());
    fields.text("keepalive", before.keepalive.get(), after.keepalive.get());
    fields.optional("source_nanio_pool", before.source.as_ref(), after.source.as_ref());
    fields.0
}

fn member_fields(before: &MemberSpec, after: &MemberSpec) -> Vec<FieldDifference> {
    let mut fields = Fields(Vec::new());
    fields.text("role", before.role.as_str(), after.role.as_str());
    fields.text("weight", before.weight.get(), after.weight.get());
    fields.text("max_fails", before.max_fails.get(), after.max_fails.get());
    fields.text("fail_timeout_s", before.fail_timeout_s.get(), after.fail_timeout_s.get());
    fields.text("enabled", before.enabled, after.enabled);
    fields.0
}

fn vhost_fields(before: &VhostSpec, after: &VhostSpec) -> Vec<FieldDifference> {
    let mut fields = Fields(Vec::new());
    fields.text("listen_port", before.listen_port.get(), after.listen_port.get());
    fields.text("ssl", before.ssl, after.ssl);
    fields.optional("ssl_certificate", before.ssl_certificate.as_ref(), after.ssl_certificate.as_ref());
    fields.optional("ssl_certificate_key", before.ssl_certificate_key.as_ref(), after.ssl_certificate_key.as_ref());
    fields.optional("extra_directives", before.extra_directives.as_ref(), after.extra_directives.as_ref());
    fields.put("extra_blocks", told_blocks(before), told_blocks(after));
    fields.text("enabled", before.enabled, after.enabled);
    fields.optional("default_pool", before.default_pool.as_ref(), after.default_pool.as_ref());
    let mode = |rules: &IpRules| rules.mode.as_str().to_owned();
    fields.put("ip_rule_mode", before.ip_rules.as_ref().map(mode), after.ip_rules.as_ref().map(mode));
    let ips = |rules: &IpRules| rules.ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    fields.put("ip_rule_ips", before.ip_rules.as_ref().map(ips), after.ip_rules.as_ref().map(ips));
    fields.0
}

fn told_blocks(vhost: &VhostSpec) -> Option<String> {
    let told = vhost.extra_blocks.iter().map(|block| format!("{}: {}", block.zone.as_str(), block.content));
    (!vhost.extra_blocks.is_empty()).then(|| told.collect::<Vec<_>>().join("\n"))
}

fn route_fields(before: (&PathPrefix, &RouteSpec), after: (&PathPrefix, &RouteSpec)) -> Vec<FieldDifference> {
    if before == after {
        // Of tens of thousands, nearly all.
        return Vec::new();
    }
    let mut fields = Fields(Vec::new());
    fields.text("path_prefix", before.0, after.0);
    let (before, after) = (before.1, after.1);
    fields.text("pool", &before.pool, &after.pool);
    fields.optional("key_prefix", before.key_prefix.as_ref(), after.key_prefix.as_ref());
    fields.optional("extra_directives", before.extra_directives.as_ref(), after.extra_directives.as_ref());
    fields.text("enabled", before.enabled, after.enabled);
    fields.0
}
