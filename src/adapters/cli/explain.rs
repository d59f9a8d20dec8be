//! `nanio-orchestrator explain METHOD URL`: by the running server, which knows how far migrations are.

use std::error::Error;
use std::net::IpAddr;

use clap::Args;
use serde_json::Value;

use super::session::ApiArguments;

/// What `explain` takes.
#[derive(Debug, PartialEq, Eq, Args)]
pub(super) struct ExplainArguments {
    #[command(flatten)]
    api: ApiArguments,
    /// The method, such as GET
    method: String,
    /// The address, such as https://s3.example.org/bucket/key: what follows the host is taken byte for byte
    url: String,
    /// A header of the request; Host and x-amz-copy-source are the ones that nginx routes by
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The client's address, for vhosts that have rules on it
    #[arg(long)]
    from: Option<IpAddr>,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header is written as NAME: VALUE")?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

/// Asks, and prints the answer.
pub(super) async fn run(arguments: ExplainArguments) -> Result<(), Box<dyn Error>> {
    let query = query(&arguments)?;
    let session = arguments.api.open()?;
    let answer = session.server.get(&format!("/api/config/explain?{query}")).await?;
    session.tell(&answer, || lines(&arguments, &answer).join("\n"))
}

/// The question as the API takes it.
fn query(arguments: &ExplainArguments) -> Result<String, String> {
    let (scheme, host, target) = split(&arguments.url)?;
    let of =
        |name: &str| arguments.headers.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("method", &arguments.method).append_pair("path", target).append_pair("scheme", scheme);
    query.append_pair("host", of("host").unwrap_or(host));
    let port = host.rsplit_once(':').map(|(_, port)| port).filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
    query.append_pair("port", port.unwrap_or(if scheme == "https" { "443" } else { "80" }));
    for (name, value) in [("copy_source", of("x-amz-copy-source"))] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    if let Some(from) = arguments.from {
        query.append_pair("from", &from.to_string());
    }
    Ok(query.finish())
}

/// Scheme, host and the rest of an address, which nobody may normalise.
fn split(url: &str) -> Result<(&'static str, &str, &str), String> {
    let rest = |scheme: &str| {
        url.get(..scheme.len()).filter(|start| start.eq_ignore_ascii_case(scheme)).map(|_| &url[scheme.len()..])
    };
    let (scheme, rest) = match (rest("https://"), rest("http://")) {
        (Some(rest), _) => ("https", rest),
        (_, Some(rest)) => ("http", rest),
        _ => {
            return Err(format!(
                "{url}: give the address with its scheme and host, as https://s3.example.org/bucket/key"
            ));
        }
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, target) = rest.split_at(end);
    Ok((scheme, host, if target.is_empty() { "/" } else { target }))
}

fn lines(arguments: &ExplainArguments, answer: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().map(Vec::as_slice).unwrap_or_default().to_vec();
    let mut lines = vec![format!("{} {}: {}", arguments.method, arguments.url, text(&answer["summary"]))];
    for member in list(&answer["pool"]["members"]) {
        let backup = if member["backup"] == true { ", only when no other can be asked" } else { "" };
        lines.push(format!("  member {} (weight {}{backup})", text(&member["address"]), member["weight"]));
    }
    let migration = &answer["migration"];
    if !migration.is_null() {
        lines.push(format!(
            "  migration {}: {}, reads go to the {}, writes to the {}",
            migration["id"],
            text(&migration["phase"]),
            text(&migration["reads"]),
            text(&migration["writes"])
        ));
    }
    for (title, name) in [("why:", "why"), ("passed on with:", "directives"), ("uncertain:", "uncertain")] {
        let sentences = list(&answer[name]);
        if !sentences.is_empty() {
            lines.push(title.to_owned());
            lines.extend(sentences.iter().map(|sentence| format!("  - {}", text(sentence))));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_and_not_normalised() {
        assert_eq!(split("https://s3.example/b/../a%2Fb?x#y"), Ok(("https", "s3.example", "/b/../a%2Fb?x#y")));
        assert_eq!(split("HTTP://[::1]:81"), Ok(("http", "[::1]:81", "/")));
        assert_eq!(split("http://h?x"), Ok(("http", "h", "?x")));
        for bad in ["s3.example/b", "/b", "ftp://h/", "héhé"] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_headers_that_nginx_routes_by_are_passed_on() {
        let arguments = ExplainArguments {
            api: ApiArguments::default(),
            method: "PUT".to_owned(),
            url: "http://10.0.0.1:81/b/k?a=1&b".to_owned(),
            headers: vec![header("Host: s3.example").unwrap(), header("X-Amz-Copy-Source: /b/k%20").unwrap()],
            from: Some("::1".parse().unwrap()),
        };
        assert_eq!(
            query(&arguments).unwrap(),
            "method=PUT&path=%2Fb%2Fk%3Fa%3D1%26b&scheme=http&host=s3.example&port=81&copy_source=%2Fb%2Fk%2520&from=%3A%3A1"
        );
        assert!(header("no colon").is_err());
    }
}
