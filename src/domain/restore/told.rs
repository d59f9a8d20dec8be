//! What the database says, as if files had said it: the other half of an entity of which one file is taken over.

use std::collections::BTreeMap;

use crate::domain::disk::{
    DiskCredential, DiskDefaultRoute, DiskMember, DiskPoolSidecar, DiskRoute, DiskServer, DiskUpstream,
    DiskVhostSidecar, Remains, Writer,
};
use crate::domain::gateway::{Server, Upstream};
use crate::domain::pool::Role;
use crate::domain::route::PathPrefix;
use crate::domain::sidecar::{PoolSidecar, VhostSidecar};

impl From<Upstream> for DiskUpstream {
    fn from(upstream: Upstream) -> Self {
        let servers = upstream.servers.into_iter().map(|server| DiskMember {
            id: Some(server.id),
            known_as: None,
            address: server.address,
            backup: server.role == Role::Replica,
            weight: server.weight,
            max_fails: server.max_fails,
            fail_timeout_s: server.fail_timeout_s,
        });
        Self {
            writer: Writer::Ours,
            id: Some(upstream.id),
            name: upstream.name,
            kind: Some(upstream.kind),
            lb_method: upstream.lb_method,
            keepalive: upstream.keepalive,
            servers: servers.collect(),
            remains: Remains::default(),
        }
    }
}

impl From<PoolSidecar> for DiskPoolSidecar {
    fn from(sidecar: PoolSidecar) -> Self {
        let PoolSidecar { pool, source_nanio_pool_name, credential, members } = sidecar;
        Self {
            id: Some(pool.id),
            name: pool.name,
            kind: Some(pool.kind),
            description: pool.description,
            source: pool.source_nanio_pool_id.map(|id| (id, source_nanio_pool_name)),
            credential: credential.map(|credential| DiskCredential {
                access_key_enc: credential.access_key_enc,
                secret_key_enc: credential.secret_key_enc,
                endpoint_url: credential.endpoint_url,
                region: credential.region,
                created_at: Some(credential.created_at),
                updated_at: Some(credential.updated_at),
            }),
            lb_method: Some(pool.lb_method),
            keepalive: Some(pool.keepalive),
            members: Some(members),
            created_at: Some(pool.created_at),
            updated_at: Some(pool.updated_at),
            remains: Vec::new(),
        }
    }
}

impl From<Server> for DiskServer {
    fn from(server: Server) -> Self {
        let routes = server.routes.into_iter().map(|route| DiskRoute {
            id: Some(route.id),
            known_as: None,
            path_prefix: route.path_prefix,
            pool: route.pool,
            key_prefix: route.key_prefix,
            extra_directives: route.extra_directives,
        });
        Self {
            writer: Writer::Ours,
            id: Some(server.id),
            server_name: server.server_name,
            listen_port: server.listen_port,
            tls: server.tls,
            protocol: Some(server.protocol),
            ip_rules: server.ip_rules,
            extra_directives: server.extra_directives,
            extra_blocks: server.extra_blocks,
            unmarked: Vec::new(),
            default: server.default.map(|route| DiskDefaultRoute { id: Some(route.id), pool: route.pool }),
            routes: routes.collect(),
            splits: Vec::new(),
            moves: server.moves,
            remains: Remains::default(),
        }
    }
}

impl From<VhostSidecar> for DiskVhostSidecar {
    fn from(sidecar: VhostSidecar) -> Self {
        let VhostSidecar { vhost, default_pool_name, routes, served, ignored_buckets } = sidecar;
        let mut route_ids = BTreeMap::new();
        if let Some(served) = served {
            route_ids.extend(served.routes.iter().map(|route| (route.path_prefix.clone(), route.id)));
            route_ids.extend(served.default.map(|id| (PathPrefix::root(), id)));
        }
        Self {
            id: Some(vhost.id),
            server_name: vhost.server_name,
            default_pool: vhost.default_pool_id.map(|id| (id, default_pool_name)),
            extra_blocks: vhost.extra_blocks,
            ip_rules: vhost.ip_rules,
            listen_port: Some(vhost.listen_port),
            ssl: Some(vhost.ssl),
            ssl_certificate: vhost.ssl_certificate,
            ssl_certificate_key: vhost.ssl_certificate_key,
            extra_directives: vhost.extra_directives,
            enabled: Some(vhost.enabled),
            routes,
            route_ids,
            ignored_buckets,
            created_at: Some(vhost.created_at),
            updated_at: Some(vhost.updated_at),
            remains: Vec::new(),
        }
    }
}
