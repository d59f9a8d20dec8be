//! The storage nodes of a demo: `nanio serve` processes.

use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use super::DemoError;
use super::children::{Children, Program, within};
use super::machine::{self, Programs};
use super::place::{Kept, Place};

/// A pool and how many nodes serve it; nodes of a pool share one directory.
pub(super) const POOLS: [(&str, u16); 2] = [("pool-2025", 2), ("pool-2026", 1)];

/// One storage node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub pool: &'static str,
    pub port: u16,
}

/// All nodes: their ports follow one another from `first`.
pub(super) fn nodes(first: u16) -> Result<Vec<Node>, DemoError> {
    let pools = POOLS.iter().flat_map(|(pool, count)| std::iter::repeat_n(*pool, usize::from(*count)));
    pools
        .zip(0..)
        .map(|(pool, offset)| {
            let port = first.checked_add(offset).ok_or(DemoError::NoPortsLeft { first })?;
            Ok(Node { pool, port })
        })
        .collect()
}

/// Starts the nodes and waits until each answers.
pub(super) async fn start(
    place: &Place,
    kept: &Kept,
    programs: &Programs,
    children: &mut Children,
) -> Result<(), DemoError> {
    let nodes = nodes(kept.storage_port)?;
    for node in &nodes {
        machine::port_is_free(node.port, "a storage node", "--storage-port")?;
    }
    for node in &nodes {
        let data = place.storage(node.pool);
        std::fs::create_dir_all(&data).map_err(|e| DemoError::file(&data, e))?;
        children.start(Program {
            name: format!("nanio-{}", node.port),
            path: programs.nanio.clone(),
            arguments: ["serve", "--host", "127.0.0.1", "--port", &node.port.to_string(), "--data-dir"]
                .into_iter()
                .map(str::to_owned)
                .chain([data.display().to_string()])
                .collect(),
            environment: vec![
                ("NANIO_ACCESS_KEY", kept.s3_access_key.clone()),
                ("NANIO_SECRET_KEY", kept.s3_secret_key.reveal().to_owned()),
            ],
        })?;
    }
    for node in &nodes {
        listening(node.port, &format!("nanio-{}", node.port), children).await?;
    }
    Ok(())
}

/// Waits until something listens on a local port.
pub(super) async fn listening(port: u16, name: &str, children: &mut Children) -> Result<(), DemoError> {
    let mut outcome = Ok(());
    let up = within(Duration::from_secs(60), || {
        outcome = children.check();
        outcome.is_err() || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
    });
    let up = up.await;
    outcome?;
    if up {
        return Ok(());
    }
    Err(DemoError::NotUp { what: format!("{name} on port {port}"), log: children.log(name).display().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_take_ports_in_a_row_and_none_is_beyond_the_last() {
        let ports = |first| nodes(first).map(|all| all.iter().map(|n| (n.pool, n.port)).collect::<Vec<_>>());
        assert_eq!(ports(9101).unwrap(), [("pool-2025", 9101), ("pool-2025", 9102), ("pool-2026", 9103)]);
        assert!(ports(65_534).is_err());
    }
}
