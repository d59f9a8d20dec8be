//! Things in collections of the API, by the names that people give them.

use reqwest::Method;
use serde::Serialize;
use serde_json::{Map, Value};

use super::confirm::Consent;
use super::output::{Column, plain};
use super::say;
use super::server::Refused;
use super::session::Session;

type Fault = Box<dyn std::error::Error>;

/// What is told after a change of what nginx is to do.
const NOT_LIVE: &str = "Not live yet. Next: nanio-orchestrator config reload";

/// A kind of thing.
pub(super) struct Kind {
    /// What it is called.
    pub noun: &'static str,
    /// The field by which people name it.
    pub name: &'static str,
    /// The command that lists all of them.
    pub list: &'static str,
    /// What a table shows.
    pub columns: &'static [Column],
    /// What to do while there is none.
    pub empty: &'static str,
}

pub(super) const POOLS: Kind = Kind {
    noun: "pool",
    name: "name",
    list: "pool list",
    columns: &[
        ("ID", "id"),
        ("NAME", "name"),
        ("TYPE", "type"),
        ("LB METHOD", "lb_method"),
        ("KEEPALIVE", "keepalive"),
        ("DESCRIPTION", "description"),
    ],
    empty: "There is no pool yet. To make one: nanio-orchestrator pool create --name NAME",
};

pub(super) const VHOSTS: Kind = Kind {
    noun: "vhost",
    name: "server_name",
    list: "vhost list",
    columns: &[
        ("ID", "id"),
        ("SERVER NAME", "server_name"),
        ("PORT", "listen_port"),
        ("TLS", "ssl"),
        ("ENABLED", "enabled"),
        ("DEFAULT POOL", "default_pool_id"),
    ],
    empty: "There is no vhost yet. To make one: nanio-orchestrator vhost create --server-name NAME --default-pool-id POOL",
};

/// Things of a kind, where the API has them.
pub(super) struct Collection<'a> {
    kind: &'static Kind,
    path: String,
    session: &'a Session,
}

impl<'a> Collection<'a> {
    /// What is at a path of the API.
    pub fn new(session: &'a Session, kind: &'static Kind, path: impl Into<String>) -> Self {
        Self { kind, path: path.into(), session }
    }

    /// All pools.
    pub fn pools(session: &'a Session) -> Self {
        Self::new(session, &POOLS, "/api/pools")
    }

    /// All vhosts.
    pub fn vhosts(session: &'a Session) -> Self {
        Self::new(session, &VHOSTS, "/api/vhosts")
    }

    /// Everything in it.
    pub async fn all(&self) -> Result<Vec<Value>, Fault> {
        self.session.server.list(&self.path).await
    }

    /// The one with this name or, if none has it, with this id.
    pub async fn find(&self, asked: &str) -> Result<Value, Fault> {
        let Kind { noun, name, list, .. } = self.kind;
        let all = self.all().await?;
        let named = |thing: &&Value| thing[*name] == asked;
        let numbered = |thing: &&Value| asked.parse::<i64>().is_ok_and(|id| thing["id"] == id);
        let found = all.iter().find(named).or_else(|| all.iter().find(numbered));
        found
            .cloned()
            .ok_or_else(|| format!("there is no {noun} {asked}; those there are: nanio-orchestrator {list}").into())
    }

    /// Where the API has one.
    pub fn at(&self, thing: &Value) -> String {
        format!("{}/{}", self.path, thing["id"])
    }

    /// Shows all.
    pub async fn list(&self) -> Result<(), Fault> {
        self.session.list(&self.all().await?, self.kind.columns, self.kind.empty)
    }

    /// Shows one.
    pub async fn get(&self, asked: &str) -> Result<(), Fault> {
        self.show(&self.find(asked).await?)
    }

    fn show(&self, thing: &Value) -> Result<(), Fault> {
        self.session.one(thing, self.kind.columns)
    }

    /// Makes one.
    pub async fn create(&self, fields: &impl Serialize) -> Result<(), Fault> {
        self.write(Method::POST, &self.path, fields).await
    }

    /// Changes these fields of one.
    pub async fn update(&self, asked: &str, fields: &impl Serialize) -> Result<(), Fault> {
        self.write(Method::PUT, &self.at(&self.find(asked).await?), fields).await
    }

    async fn write(&self, method: Method, path: &str, fields: &impl Serialize) -> Result<(), Fault> {
        let body = body(self.session, fields).await?;
        let saved = self.session.server.call(method, path, Some(&body)).await.map_err(in_flags)?;
        self.show(&saved)?;
        say(NOT_LIVE);
        Ok(())
    }

    /// Deletes one, after a yes to the consequences.
    pub async fn delete(
        &self,
        thing: &Value,
        consequences: &[String],
        consent: Consent,
        query: &str,
    ) -> Result<(), Fault> {
        let Kind { noun, name, .. } = self.kind;
        let named = format!("{noun} {}", plain(thing[*name].as_str().unwrap_or_default()));
        consent.ask(&format!("Delete {named}"), consequences)?;
        let path = format!("{}{query}", self.at(thing));
        self.session.server.call(Method::DELETE, &path, None).await.map_err(in_flags)?;
        say(&format!("{named} is deleted. {NOT_LIVE}"));
        Ok(())
    }
}

/// The fields that were given, as the API takes them: pools and vhosts by id, and nothing (`null`) for an empty text.
pub(super) async fn body(session: &Session, fields: &impl Serialize) -> Result<Value, Fault> {
    let Value::Object(given) = serde_json::to_value(fields)? else { return Err("a command without fields".into()) };
    let mut body = Map::new();
    for (name, value) in given {
        let value = match value {
            Value::String(text) if text.is_empty() => Value::Null,
            Value::String(pool) if name.ends_with("pool_id") => {
                Collection::pools(session).find(&pool).await?["id"].clone()
            }
            Value::String(vhost) if name == "vhost_id" => Collection::vhosts(session).find(&vhost).await?["id"].clone(),
            value => value,
        };
        body.insert(name, value);
    }
    Ok(Value::Object(body))
}

/// A refusal with the flags in it that say yes, where the API names its parameters.
pub(super) fn in_flags(fault: Fault) -> Fault {
    match fault.downcast::<Refused>() {
        Ok(mut refused) => {
            for (parameter, flag) in [("allow_orphan", "--allow-orphan"), ("allow_stale", "--allow-stale")] {
                refused.detail = refused.detail.replace(&format!("{parameter}=true"), flag).replace(parameter, flag);
            }
            refused
        }
        Err(fault) => fault,
    }
}

/// `1 route`, `2 routes`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Parameters of a path, those that were given.
pub(super) fn query(parameters: &[(&str, Option<String>)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    match query.finish() {
        none if none.is_empty() => none,
        some => format!("?{some}"),
    }
}
