//! Connections to one PostgreSQL database.

use diesel::connection::{Connection, SimpleConnection};
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use tokio::runtime::Handle;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::adapters::store::error::OpenError;
use crate::adapters::store::schema_state::lines;
use crate::adapters::store::seats::{ConnectError, Source};
use crate::adapters::store::tx::{SqlTx, Undo};
use crate::ports::store::{Access, Body};

use super::address::Address;
use super::tls;

/// Takes the advisory lock of the orchestrator (the first number spells "nani"). It waits a little: when the
/// program is started again, the server may not have seen yet that the last one is gone.
const LOCK: &str = "SET lock_timeout = '2s'; SELECT pg_advisory_lock(1851878505, 1); SET lock_timeout = '10s'";
const LOCK_HOLDER: &str = "SELECT format('%s, address %s, process %s, since %s', \
        coalesce(nullif(a.application_name, ''), 'unnamed'), coalesce(host(a.client_addr), 'local'), a.pid, \
        to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS')) AS line \
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 1851878505 AND l.objid = 1 AND l.objsubid = 2 \
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Settings of every session. Each side notices within seconds that the other is gone, and no session
/// holds a lock that it does not use.
const SETTINGS: &str = "SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
    SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '120s'";

/// All of a reading transaction sees the state at its first query.
const READING: &str = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// What was acknowledged survives a loss of power, also where the server's default says otherwise.
const WRITING: &str = "DO $$ BEGIN IF current_setting('synchronous_commit') = 'off' THEN \
    SET synchronous_commit = on; END IF; END $$";

/// A connection that diesel's synchronous queries can use.
pub(in crate::adapters::store) type PgConnection = AsyncConnectionWrapper<AsyncPgConnection>;

/// The database that connections are made to.
pub(super) struct Server {
    config: tokio_postgres::Config,
    tls: Option<MakeRustlsConnect>,
    pub(super) place: String,
}

/// Why there is no connection.
pub(super) enum Unlinked {
    /// Another orchestrator has the lock: who.
    Busy(String),
    /// The words of the server or of the network.
    Failed(String),
}

impl<E: std::error::Error> From<E> for Unlinked {
    fn from(error: E) -> Self {
        Unlinked::Failed(whole(&error))
    }
}

/// An error with its causes, which tokio-postgres leaves to the reader to ask for.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

impl Server {
    pub(super) fn at(address: Address) -> Result<Self, OpenError> {
        let tls =
            tls::client(&address.security).map_err(|why| OpenError::Unusable { place: address.place.clone(), why })?;
        Ok(Self { config: address.config, tls, place: address.place })
    }

    /// Makes a connection; one for writing has the lock. Blocks.
    pub(super) fn link(&self, access: Access) -> Result<PgConnection, Unlinked> {
        let connection = Handle::try_current()?.block_on(async {
            let client = match &self.tls {
                Some(tls) => dial(&self.config, tls.clone()).await?,
                None => dial(&self.config, NoTls).await?,
            };
            Ok::<_, Unlinked>(AsyncPgConnection::try_from(client).await?)
        })?;
        let mut connection = PgConnection::from(connection);
        connection.batch_execute(SETTINGS)?;
        match access {
            Access::Read => connection.batch_execute(READING)?,
            Access::Write => {
                connection.batch_execute(WRITING)?;
                lock(&mut connection)?;
            }
        }
        Ok(connection)
    }
}

fn lock(connection: &mut PgConnection) -> Result<(), Unlinked> {
    let Err(refused) = connection.batch_execute(LOCK) else { return Ok(()) };
    let holders = lines(connection, LOCK_HOLDER)?;
    Err(if holders.is_empty() { refused.into() } else { Unlinked::Busy(holders.join("; ")) })
}

async fn dial<T>(config: &tokio_postgres::Config, tls: T) -> Result<Client, tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
    T::TlsConnect: TlsConnect<Socket>,
{
    let (client, connection) = config.connect(tls).await?;
    tokio::spawn(async move {
        // Whoever uses the connection hears of it; one that nobody uses is made anew when it is needed.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a database connection ended");
        }
    });
    Ok(client)
}

impl Source for Server {
    type Connection = PgConnection;

    fn place(&self) -> &str {
        &self.place
    }

    fn connect(&self, access: Access) -> Result<PgConnection, ConnectError> {
        self.link(access).map_err(|why| match why {
            Unlinked::Busy(holder) => ConnectError::new(format!(
                "the connection was lost, and another orchestrator has taken the database over: {holder}"
            )),
            Unlinked::Failed(why) => ConnectError::new(why),
        })
    }

    fn is_loss(_: &diesel::result::Error) -> bool {
        // BEGIN fails for no other reason.
        true
    }

    fn transact(connection: &mut PgConnection, access: Access, body: &mut Option<Body>) -> Result<(), Undo> {
        connection.transaction(|c| {
            SqlTx::run(&mut *c, access, body)?;
            if access == Access::Write {
                // PostgreSQL answers the COMMIT of a failed transaction with a roll-back that looks like success.
                c.batch_execute("SELECT 1")?;
            }
            Ok(())
        })
    }
}
