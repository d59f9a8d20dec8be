//! Where a drill takes place: two pools, a vhost, and the way to each of them.

use std::fmt;

use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::super::server::Server;
use super::{DrillArguments, Fault};
use crate::adapters::drill::s3::Target;

/// A pool, and one of its members.
pub(super) struct Pool {
    pub id: i64,
    name: String,
    pub target: Target,
}

/// See the module.
pub(super) struct Ground {
    pub src: Pool,
    pub dst: Pool,
    pub gateway: Target,
    vhost: i64,
    vhost_name: String,
}

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { src, dst, gateway, vhost_name, .. } = self;
        write!(f, "{vhost_name} at {}, from {} to {}", gateway.address, src.name, dst.name)
    }
}

impl Ground {
    /// Asks the server for everything that is not named.
    pub async fn survey(server: &Server, arguments: &DrillArguments) -> Result<Self, Fault> {
        let pools = all(server, "/api/pools").await?;
        let nanio: Vec<&Value> = pools.iter().filter(|pool| pool["type"] == "nanio").collect();
        let src = chosen(&nanio, "--src", "nanio pool", "name", arguments.src.as_deref(), None)?;
        let dst = chosen(&nanio, "--dst", "other nanio pool", "name", arguments.dst.as_deref(), Some(&src["id"]))?;
        if src["id"] == dst["id"] {
            return Err("--src and --dst are the same pool".into());
        }
        let (src, dst) = (pool(server, src).await?, pool(server, dst).await?);

        let vhosts = all(server, "/api/vhosts").await?;
        let ids: Vec<&Value> = nanio.iter().map(|pool| &pool["id"]).collect();
        let fits = |vhost: &&Value| {
            let kind = vhost["default_pool_id"].is_null() || ids.contains(&&vhost["default_pool_id"]);
            kind && vhost["enabled"] != false && vhost["ssl"] != true
        };
        let plain: Vec<&Value> = vhosts.iter().filter(fits).collect();
        let what = "enabled vhost without TLS in front of nanio pools";
        let vhost = chosen(&plain, "--vhost", what, "server_name", arguments.vhost.as_deref(), None)?;
        let name = vhost["server_name"].as_str().unwrap_or_default().to_owned();
        let gateway = gateway(arguments.gateway.as_deref(), &name, &vhost["listen_port"])?;
        Ok(Self { src, dst, gateway, vhost: id(vhost)?, vhost_name: name })
    }

    /// Routes a bucket to the source; gives the route's id.
    pub async fn route(&self, server: &Server, bucket: &str) -> Result<i64, Fault> {
        let body = json!({"path_prefix": format!("/{bucket}/"), "pool_id": self.src.id});
        let route = server.call(Method::POST, &format!("/api/vhosts/{}/routes", self.vhost), Some(&body)).await?;
        reload(server).await?;
        id(&route)
    }

    /// Takes the route away.
    pub async fn remove_route(&self, server: &Server, route: i64) -> Result<(), Fault> {
        let path = format!("/api/vhosts/{}/routes/{route}?allow_orphan=true", self.vhost);
        server.call(Method::DELETE, &path, None).await?;
        reload(server).await
    }
}

async fn reload(server: &Server) -> Result<(), Fault> {
    let answer = server.ask("reload").await?;
    if answer["ok"] == true {
        return Ok(());
    }
    Err(format!("nginx was not reloaded: {}", answer["output"].as_str().unwrap_or_default()).into())
}

async fn all(server: &Server, path: &str) -> Result<Vec<Value>, Fault> {
    match server.call(Method::GET, path, None).await? {
        Value::Array(all) => Ok(all),
        _ => Err(format!("GET {path}: the answer is no list").into()),
    }
}

fn id(entity: &Value) -> Result<i64, Fault> {
    entity["id"].as_i64().ok_or_else(|| "the server answered with an entity without an id".into())
}

/// The entity that was asked for by name or id, else the first one but `not`.
fn chosen<'a>(
    all: &[&'a Value],
    flag: &str,
    what: &str,
    name: &str,
    asked: Option<&str>,
    not: Option<&Value>,
) -> Result<&'a Value, Fault> {
    let fits = |entity: &&&Value| match asked {
        Some(asked) => entity[name] == asked || asked.parse::<i64>().is_ok_and(|id| entity["id"] == id),
        None => Some(&entity["id"]) != not,
    };
    let named = asked.map(|asked| format!(" {asked}")).unwrap_or_default();
    all.iter().find(fits).copied().ok_or_else(|| format!("there is no {what}{named}: see {flag}").into())
}

async fn pool(server: &Server, pool: &Value) -> Result<Pool, Fault> {
    let (id, name) = (id(pool)?, pool["name"].as_str().unwrap_or_default().to_owned());
    let members = all(server, &format!("/api/pools/{id}/members")).await?;
    let usable = |member: &Value| {
        let address = member["address"].as_str().filter(|address| !address.starts_with("unix:"))?;
        (member["enabled"] != false).then(|| address.to_owned())
    };
    let address = members.iter().find_map(usable);
    let address = address.ok_or_else(|| format!("pool {name} has no enabled member with a network address"))?;
    Ok(Pool { id, name, target: Target { host: address.clone(), address } })
}

/// The gateway: connected to where the operator says, called as the vhost is.
fn gateway(asked: Option<&str>, vhost: &str, port: &Value) -> Result<Target, Fault> {
    let port = port.as_u64().unwrap_or(80);
    let default = format!("http://127.0.0.1:{port}");
    let text = asked.unwrap_or(&default);
    let url = Url::parse(text).map_err(|error| format!("--gateway {text}: {error}"))?;
    let (Some(host), "http") = (url.host_str(), url.scheme()) else {
        return Err(format!("--gateway {text}: the drill speaks plain http: name such a listener").into());
    };
    let called = match vhost.strip_prefix("*.") {
        Some(domain) => format!("drill.{domain}"),
        None if vhost == "_" => host.to_owned(),
        None => vhost.to_owned(),
    };
    let at = url.port_or_known_default().unwrap_or(80);
    Ok(Target { address: format!("{host}:{at}"), host: format!("{called}:{at}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_is_called_as_the_vhost_wherever_it_is() {
        let told = |asked, vhost| {
            let target = gateway(asked, vhost, &json!(9080)).unwrap();
            (target.address, target.host)
        };
        let pair = |address: &str, host: &str| (address.to_owned(), host.to_owned());
        assert_eq!(told(None, "s3.test"), pair("127.0.0.1:9080", "s3.test:9080"));
        assert_eq!(told(Some("http://gw.test"), "*.s3.test"), pair("gw.test:80", "drill.s3.test:80"));
        assert_eq!(told(Some("http://gw.test:81"), "_"), pair("gw.test:81", "gw.test:81"));
        assert!(gateway(Some("https://gw.test"), "s3.test", &json!(443)).is_err());
        assert!(gateway(Some("nonsense"), "s3.test", &json!(80)).is_err());
    }

    #[test]
    fn what_is_not_named_is_the_first_that_is_not_taken() {
        let pools = [json!({"id": 3, "name": "a"}), json!({"id": 5, "name": "b"})];
        let all: Vec<&Value> = pools.iter().collect();
        let choose =
            |asked, not: Option<&Value>| chosen(&all, "--dst", "pool", "name", asked, not).map(|p| id(p).unwrap());
        assert_eq!(choose(None, None).unwrap(), 3);
        assert_eq!(choose(None, Some(&json!(3))).unwrap(), 5);
        assert_eq!(choose(Some("b"), None).unwrap(), 5);
        assert_eq!(choose(Some("5"), None).unwrap(), 5);
        assert!(choose(Some("c"), None).unwrap_err().to_string().contains("--dst"));
    }
}
