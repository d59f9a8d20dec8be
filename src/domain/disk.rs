//! What the files on disk say, whoever wrote them: this program, an operator's editor, or 0.4.x.
//!
//! Unlike [`gateway`](super::gateway) and [`sidecar`](super::sidecar), which say what a file *should* hold, a
//! value here may lack what its writer did not know (0.4.x gave members no ids), and it lists what it holds
//! beside that and no field can take, so that nobody drops it unseen.

use std::collections::BTreeMap;

use super::bucket::BucketName;
use super::credential::FernetToken;
use super::gateway::moving::Move;
use super::gateway::{FileName, Protocol, Tls};
use super::ids::{MemberId, MigrationId, PoolId, RouteId, VhostId};
use super::migration::work::Work;
use super::migration::{MigrationMode, Named, Phase};
use super::pool::{Address, FailTimeout, Keepalive, LbMethod, MaxFails, Member, PoolKind, PoolName, Weight};
use super::route::{KeyPrefix, PathPrefix};
use super::sidecar::{HighestIds, SidecarRoute};
use super::time::Timestamp;
use super::vhost::{ExtraBlock, IpRules, PemPath, Port, ServerName, Snippet};

/// One file of the managed directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskFile {
    /// Where, as operators and the database know it.
    pub path: String,
    /// The managed file that belongs at this place, if the place is one of ours.
    pub name: Option<FileName>,
    /// Lower-hex SHA-256 of its bytes. Empty for what is there and was not read, such as a directory.
    pub sha256: String,
    /// What it says.
    pub content: DiskContent,
}

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskContent {
    /// `pools/00-nanio.conf`: everything in it follows from the rest.
    Common,
    /// An `upstream`.
    Upstream(DiskUpstream),
    /// A `server`. Boxed, since it is large.
    Server(Box<DiskServer>),
    /// The sidecar of a pool.
    PoolSidecar(Box<DiskPoolSidecar>),
    /// The sidecar of a vhost.
    VhostSidecar(Box<DiskVhostSidecar>),
    /// The highest ids.
    Ids(HighestIds),
    /// No file of ours: it lacks the managed line.
    Foreign,
    /// A file of ours that cannot be read; the reason, with the line.
    Unreadable(String),
}

impl DiskFile {
    /// Whether it is where the entity that it speaks of is kept.
    #[must_use]
    pub fn is_at_its_place(&self) -> bool {
        let own = match &self.content {
            DiskContent::Upstream(upstream) => FileName::Upstream(upstream.name.clone()),
            DiskContent::Server(server) => FileName::Server(server.server_name.clone()),
            DiskContent::PoolSidecar(sidecar) => FileName::PoolSidecar(sidecar.name.clone()),
            DiskContent::VhostSidecar(sidecar) => FileName::VhostSidecar(sidecar.server_name.clone()),
            DiskContent::Common => FileName::Common,
            DiskContent::Ids(_) => FileName::Ids,
            DiskContent::Foreign | DiskContent::Unreadable(_) => return false,
        };
        self.name.as_ref() == Some(&own)
    }
}

impl DiskContent {
    /// Whether it is configuration that 0.4.x wrote.
    #[must_use]
    pub fn is_former(&self) -> bool {
        match self {
            DiskContent::Upstream(upstream) => upstream.writer == Writer::Version04,
            DiskContent::Server(server) => server.writer == Writer::Version04,
            _ => false,
        }
    }
}

/// Who wrote a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// This program, or an editor over its text.
    Ours,
    /// The Python original.
    Version04,
}

/// Text that no field can take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remains {
    /// Directives that mean something to nginx, each as a sentence with its line.
    pub directives: Vec<String>,
    /// Comments that are not ours, each with its line.
    pub comments: Vec<String>,
}

/// An `upstream` on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskUpstream {
    /// Who wrote it.
    pub writer: Writer,
    /// The pool's id, if it is known. Only 0.4.x wrote it there.
    pub id: Option<PoolId>,
    /// The pool's name.
    pub name: PoolName,
    /// What its nodes speak, if the file tells it.
    pub kind: Option<PoolKind>,
    /// How nginx chooses.
    pub lb_method: LbMethod,
    /// Idle connections kept.
    pub keepalive: Keepalive,
    /// Its `server` lines, in their order.
    pub servers: Vec<DiskMember>,
    /// What else it holds.
    pub remains: Remains,
}

/// A `server` line of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskMember {
    /// The member's id, if it is known.
    pub id: Option<MemberId>,
    /// The address that it had before an editor gave it another one, as a comment of ours tells.
    pub known_as: Option<Address>,
    /// Where it listens.
    pub address: Address,
    /// Whether it serves only when the others cannot.
    pub backup: bool,
    /// Share of the requests.
    pub weight: Weight,
    /// Failures until it is left out.
    pub max_fails: MaxFails,
    /// Seconds it is left out.
    pub fail_timeout_s: FailTimeout,
}

/// A `server` block on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskServer {
    /// Who wrote it.
    pub writer: Writer,
    /// The vhost's id, if it is known. Only 0.4.x wrote it there.
    pub id: Option<VhostId>,
    /// The name it answers to.
    pub server_name: ServerName,
    /// Its port.
    pub listen_port: Port,
    /// TLS, if on.
    pub tls: Option<Tls>,
    /// How requests are read; what 0.4.x wrote does not tell.
    pub protocol: Option<Protocol>,
    /// Who may connect.
    pub ip_rules: Option<IpRules>,
    /// Raw directives between our markers. (0.4.x has no markers: see `unmarked`.)
    pub extra_directives: Option<Snippet>,
    /// Raw directives by zone, between our markers.
    pub extra_blocks: Vec<ExtraBlock>,
    /// Raw directives of the server block that 0.4.x wrote without markers, in their order: those that its
    /// sidecar lists as `extra_blocks`, and the rest, which was `extra_directives`. One directive, block or comment
    /// each, as it stands in the file: lines after the first are indented by four more blanks than in the sidecar.
    pub unmarked: Vec<String>,
    /// The automatic route `/`.
    pub default: Option<DiskDefaultRoute>,
    /// The other routes, longest prefix first, then by prefix.
    pub routes: Vec<DiskRoute>,
    /// Buckets that were being moved when it was written.
    pub moves: Vec<Move>,
    /// Buckets that 0.4.x was splitting between two pools when it wrote this.
    pub splits: Vec<Split>,
    /// What else it holds.
    pub remains: Remains,
}

/// The automatic route `/` on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskDefaultRoute {
    /// Its id, if it is known.
    pub id: Option<RouteId>,
    /// The default pool.
    pub pool: PoolName,
}

/// A route on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskRoute {
    /// Its id, if it is known.
    pub id: Option<RouteId>,
    /// What it served before an editor gave it another prefix, as a comment of ours tells.
    pub known_as: Option<PathPrefix>,
    /// The requests it serves.
    pub path_prefix: PathPrefix,
    /// The pool that serves them; of a split, the one that is read first.
    pub pool: PoolName,
    /// Replacement of the prefix.
    pub key_prefix: Option<KeyPrefix>,
    /// Raw directives.
    pub extra_directives: Option<Snippet>,
}

impl DiskRoute {
    /// The order of [`ServerRoute::order`](super::gateway::ServerRoute::order).
    #[must_use]
    pub fn order(a: &Self, b: &Self) -> std::cmp::Ordering {
        let length = |route: &Self| route.path_prefix.canonical().len();
        length(b).cmp(&length(a)).then_with(|| a.path_prefix.cmp(&b.path_prefix))
    }
}

/// A bucket whose reads and writes 0.4.x sends to two pools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The requests that are split.
    pub path_prefix: PathPrefix,
    /// Who is read first: the pool of the route.
    pub source: PoolName,
    /// Who takes the writes.
    pub destination: Option<PoolName>,
}

/// `pools/<name>.meta.json` on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskPoolSidecar {
    /// The pool's id.
    pub id: Option<PoolId>,
    /// The pool's name.
    pub name: PoolName,
    /// What its nodes speak.
    pub kind: Option<PoolKind>,
    /// Free text for operators.
    pub description: Option<String>,
    /// The nanio pool behind an `http` pool: its id in the same tree, and its name if the writer knew it.
    pub source: Option<(PoolId, Option<PoolName>)>,
    /// S3 keys.
    pub credential: Option<DiskCredential>,
    /// How nginx chooses; 0.4.x did not say.
    pub lb_method: Option<LbMethod>,
    /// Idle connections kept; 0.4.x did not say.
    pub keepalive: Option<Keepalive>,
    /// All members, disabled ones included; 0.4.x did not say.
    pub members: Option<Vec<Member>>,
    /// When the pool was made.
    pub created_at: Option<Timestamp>,
    /// When it was last saved.
    pub updated_at: Option<Timestamp>,
    /// Fields that are not as they must be, each as a sentence; they were left out.
    pub remains: Vec<String>,
}

/// S3 keys in a sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskCredential {
    /// The access key, encrypted.
    pub access_key_enc: FernetToken,
    /// The secret key, encrypted.
    pub secret_key_enc: FernetToken,
    /// Where to reach the pool's S3 service.
    pub endpoint_url: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// When they were first stored.
    pub created_at: Option<Timestamp>,
    /// When they were last replaced.
    pub updated_at: Option<Timestamp>,
}

/// `vhosts/<server name>.meta.json` on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskVhostSidecar {
    /// The vhost's id.
    pub id: Option<VhostId>,
    /// The name it answers to.
    pub server_name: ServerName,
    /// The default pool: its id in the same tree, and its name if the writer knew it.
    pub default_pool: Option<(PoolId, Option<PoolName>)>,
    /// Raw directives by zone.
    pub extra_blocks: Vec<ExtraBlock>,
    /// Who may connect.
    pub ip_rules: Option<IpRules>,
    /// Its port; 0.4.x did not say, and neither did it say the fields from here on.
    pub listen_port: Option<Port>,
    /// TLS on that port.
    pub ssl: Option<bool>,
    /// Certificate chain.
    pub ssl_certificate: Option<PemPath>,
    /// Its private key.
    pub ssl_certificate_key: Option<PemPath>,
    /// Raw directives.
    pub extra_directives: Option<Snippet>,
    /// Whether nginx is to have it.
    pub enabled: Option<bool>,
    /// Routes that the `.conf` file does not hold.
    pub routes: Vec<SidecarRoute>,
    /// The ids of those that it holds, `/` included.
    pub route_ids: BTreeMap<PathPrefix, RouteId>,
    /// Buckets that an operator does not want to hear of.
    pub ignored_buckets: Vec<BucketName>,
    /// When the vhost was made.
    pub created_at: Option<Timestamp>,
    /// When it was last saved.
    pub updated_at: Option<Timestamp>,
    /// Fields that are not as they must be, each as a sentence; they were left out.
    pub remains: Vec<String>,
}

/// `migration-<id>.state.json` or `migration-<id>.done.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationFile {
    /// Where.
    pub path: String,
    /// What it says, or why it cannot be read.
    pub content: Result<DiskMigration, String>,
}

/// A migration on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskMigration {
    /// Its id.
    pub id: MigrationId,
    /// The vhost; 0.4.x wrote its id only.
    pub vhost: (VhostId, Option<ServerName>),
    /// What moves.
    pub bucket: BucketName,
    /// From where.
    pub source: Named<PoolId>,
    /// To where.
    pub destination: Named<PoolId>,
    /// What becomes of objects that only the destination has.
    pub mode: MigrationMode,
    /// The route that is switched: its id in the same tree.
    pub route_id: Option<RouteId>,
    /// How far it is.
    pub phase: Phase,
    /// Objects to copy.
    pub objects_total: i64,
    /// Objects copied.
    pub objects_done: i64,
    /// Bytes to copy.
    pub bytes_total: i64,
    /// Bytes copied.
    pub bytes_done: i64,
    /// Why it failed.
    pub error_msg: Option<String>,
    /// When copying began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What was left on the source: the pool's id in the same tree, the prefix, and since when.
    pub orphan: Option<(PoolId, String, Timestamp)>,
    /// The name of that pool; 0.4.x did not say, and it is the source's.
    pub orphaned_pool_name: Option<String>,
    /// Since when nothing of it is left.
    pub purged_at: Option<Timestamp>,
    /// 0.4.x left it in the middle of a split, and no operator has decided yet.
    pub needs_adoption: bool,
    /// `http` vhosts that should have followed and could not be changed.
    pub swept_http_vhosts: Vec<String>,
    /// `http` vhosts that followed. The field `swept_http_vhosts` of a 0.4.x file is read as this one.
    pub updated_http_vhosts: Vec<String>,
    /// When it was asked for; 0.4.x did not say.
    pub created_at: Option<Timestamp>,
    /// What the engine keeps of it; 0.4.x kept nothing of the kind.
    pub work: Work,
    /// Who wrote it.
    pub writer: Writer,
    /// Fields that are not as they must be, each as a sentence; they were left out.
    pub remains: Vec<String>,
}

/// What a database of 0.4.x says and its files do not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiskDatabase {
    /// Every pool, in the form of a sidecar that says all: to be used in the place of its sidecar.
    pub pools: Vec<DiskPoolSidecar>,
    /// Every vhost, likewise; its routes are all of its routes, `/` included.
    pub vhosts: Vec<DiskVhostSidecar>,
    /// Every migration.
    pub migrations: Vec<DiskMigration>,
    /// Rows that are nothing, each as a sentence; they were left out.
    pub remains: Vec<String>,
}
