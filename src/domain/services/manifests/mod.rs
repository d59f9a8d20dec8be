//! The gateway as one document: exported, compared with another one, and made to be as that one says, in one change.
//!
//! A document goes the way of every change: the same rules, one test by nginx, all of it or nothing. No document leads
//! a bucket away from its objects: what would is told, with the command that moves the bucket instead.

mod carry;
mod data;
mod default_pool;
mod present;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::publish::{Change, Rehearsed, last_change, number_of};
use super::{Context, ServiceError};
use crate::domain::audit::{Actor, NginxAnswer};
use crate::domain::gateway::ManagedFile;
use crate::domain::manifest::{Difference, Differences, Fault, Manifest, Renames, Subject, Turn, Verb, compare, turns};
use crate::domain::vhost::Snippet;
use crate::ports::gateway::{FileAt, FileChange, GatewayError};

use carry::carry_out;
pub use data::Held;
use data::{Grounds, look};
use default_pool::Documents;
use present::Present;

/// How often the state is looked at again because something changed it meanwhile.
const TRIES: usize = 5;
/// So many turns are named in a refusal.
const NAMED: usize = 5;
/// So many files are shown with their texts.
const SHOWN_FILES: usize = 64;

/// How a document is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// What it does not name is removed.
    pub prune: bool,
    /// Buckets that would be led away from their objects stay where they are; the rest is done.
    pub partial: bool,
    /// The state that the document was made for; none: whatever is there.
    pub expect: Option<String>,
    /// What has another name in the document, and is to have it again.
    pub renames: Renames,
}

/// The gateway as a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The document.
    pub manifest: Manifest,
    /// What is another one as soon as the document is.
    pub state: String,
    /// The number of the last change that it holds; 0: none.
    pub change: u64,
}

/// A file as it is and as it would be; `None`: no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Where.
    pub path: String,
    /// What is on disk.
    pub before: Option<String>,
    /// What would be.
    pub after: Option<String>,
}

/// What an apply of a document would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The state that it is about.
    pub state: String,
    /// What would be done, and what would stay.
    pub differences: Differences,
    /// What would get another pool without losing anything.
    pub turns: Vec<Turn>,
    /// Whether what would not is left out.
    pub partial: bool,
    /// What would not, with the command that moves it.
    pub needs_migration: Vec<Held>,
    /// What could not be seen.
    pub warnings: Vec<String>,
    /// The files of nginx that would change, the first ones with their texts.
    pub files: Vec<Draft>,
    /// How many files more would change.
    pub more_files: usize,
    /// nginx's answer, or why it would not be asked; `None`: there is nothing to ask.
    pub nginx: Option<NginxAnswer>,
}

/// What an apply of a document did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The state after it.
    pub state: String,
    /// What was done, and what stayed.
    pub differences: Differences,
    /// What was left out.
    pub needs_migration: Vec<Held>,
    /// What could not be seen.
    pub warnings: Vec<String>,
    /// nginx's answer; `None`: it sees no difference.
    pub nginx: Option<NginxAnswer>,
}

/// Use cases about the gateway as a document.
#[derive(Clone)]
pub struct Manifests {
    context: Context,
}

/// A document that was looked at from all sides but nginx's.
struct Considered {
    /// The state that was looked at.
    state: String,
    /// The gateway in that state, in the names of the document.
    present: Arc<Present>,
    /// What the gateway is to be, in the end.
    target: Manifest,
    differences: Differences,
    turns: Vec<Turn>,
    held: Vec<Held>,
    warnings: Vec<String>,
}

impl Manifests {
    pub(super) fn new(context: Context) -> Self {
        Self { context }
    }

    /// The gateway as it is.
    ///
    /// # Errors
    /// The store's.
    pub async fn export(&self) -> Result<Exported, ServiceError> {
        let present = self.context.store.read(|tx| Present::read(tx)).await?;
        let (state, change) = (present.token(), number_of(present.change.as_deref()));
        Ok(Exported { state, change, manifest: present.manifest })
    }

    /// What an apply would do. Changes nothing.
    ///
    /// # Errors
    /// [`ServiceError::Manifest`] with everything that is wrong with the document; [`ServiceError::Stale`] if the
    /// gateway is not in the state that `terms` expect.
    pub async fn plan(&self, wanted: &Manifest, terms: &Terms) -> Result<Plan, ServiceError> {
        for _ in 0..TRIES {
            let considered = self.consider(wanted, terms).await?;
            let Considered { state, present, target, differences, turns, held, warnings } = considered;
            let mut plan = Plan {
                state,
                differences,
                turns,
                partial: terms.partial,
                needs_migration: in_present_names(held, &terms.renames),
                warnings,
                files: Vec::new(),
                more_files: 0,
                nginx: None,
            };
            if plan.differences.steps.is_empty() {
                return Ok(plan);
            }
            let body = carried(present, target, &plan.differences);
            match self.context.publisher.rehearse(Actor::Engine, body).await {
                Ok((true, rehearsed)) => self.show(rehearsed, &mut plan).await?,
                Ok((false, _)) => continue,
                Err(ServiceError::Refused(output) | ServiceError::Conflict(output)) => {
                    plan.nginx = Some(NginxAnswer { ok: false, output });
                }
                Err(error) => return Err(error),
            }
            return Ok(plan);
        }
        Err(restless())
    }

    /// Makes the gateway what a document says, in one change.
    ///
    /// # Errors
    /// As [`Manifests::plan`]; [`ServiceError::Conflict`] if buckets would be led away from their objects, unless
    /// `terms` leave those out; nginx's refusal. Nothing has changed.
    pub async fn apply(&self, actor: Actor, wanted: &Manifest, terms: &Terms) -> Result<Applied, ServiceError> {
        for _ in 0..TRIES {
            let considered = self.consider(wanted, terms).await?;
            let Considered { state, present, target, differences, held, warnings, .. } = considered;
            if !held.is_empty() && !terms.partial {
                return Err(refusal(&in_present_names(held, &terms.renames)));
            }
            let mut applied = Applied { state, differences, needs_migration: held, warnings, nginx: None };
            if applied.differences.steps.is_empty() {
                return Ok(applied);
            }
            let body = carried(present, target, &applied.differences);
            let (done, published) = self.context.publisher.alone(actor, body).await?;
            if done {
                applied.nginx = published.tested.nginx;
                applied.state = self.export().await?.state;
                return Ok(applied);
            }
        }
        Err(restless())
    }

    /// Finds everything that is wrong with a document, and everything that it would do.
    async fn consider(&self, wanted: &Manifest, terms: &Terms) -> Result<Considered, ServiceError> {
        let present = self.context.store.read(|tx| Present::read(tx)).await?;
        let state = present.token();
        if terms.expect.as_ref().is_some_and(|expected| *expected != state) {
            return Err(ServiceError::Stale("The gateway"));
        }
        let present = Arc::new(present.called(&terms.renames)?);
        let before = &present.manifest;
        let mut target = if terms.prune { wanted.clone() } else { wanted.over(before) };
        expect_sound(wanted.faults(&target))?;
        let (mut held, mut warnings, mut seen) = (Vec::<Held>::new(), Vec::new(), HashSet::new());
        let turns = loop {
            let now = turns(before, &target);
            // Whom a default pool serves is another question as soon as a route is left out.
            let new: Vec<Turn> =
                now.iter().filter(|turn| turn.prefix.is_root() || !seen.contains(*turn)).cloned().collect();
            let (asked, known) = (new.clone(), present.clone());
            let grounds = self.context.store.read(move |tx| Grounds::read(tx, &asked, &known)).await?;
            let looked = look(&self.context, new.clone(), &grounds, Documents { before, after: &target }).await;
            seen.extend(new);
            warnings.extend(looked.warnings);
            let kept: Vec<Turn> = looked.held.iter().map(|held| held.turn.clone()).collect();
            held.extend(looked.held);
            if kept.is_empty() || !terms.partial {
                let stay: HashSet<&Turn> = held.iter().map(|held| &held.turn).collect();
                break now.into_iter().filter(|turn| !stay.contains(turn)).collect();
            }
            // What stays may keep others where they are, or not: so it is all looked at again.
            target = target.without(&kept, before);
        };
        let mut differences = compare(before, &target, true);
        if !terms.prune {
            differences.unmanaged = compare(before, wanted, false).unmanaged;
        }
        differences.steps.splice(..0, terms.renames.steps());
        expect_sound(self.snippet_faults(&target, &differences.steps))?;
        Ok(Considered { state, present, target, differences, turns, held, warnings })
    }

    /// Raw directives that are new must be what a client of the API may write. What is there already stays.
    fn snippet_faults(&self, target: &Manifest, steps: &[Difference]) -> Vec<Fault> {
        let mut faults = Vec::new();
        for step in steps.iter().filter(|step| step.verb != Verb::Delete) {
            let mut check = |field: &str, text: &Snippet| {
                let concerned = step.verb == Verb::Create || step.fields.iter().any(|one| one.field == field);
                if concerned && let Err(sentence) = self.context.gateway.check_snippet(text.as_str()) {
                    faults.push(Fault::at(&step.subject, Some(field), sentence));
                }
            };
            match &step.subject {
                Subject::Vhost(name) => {
                    let Some(vhost) = target.vhosts.get(name) else { continue };
                    vhost.extra_directives.iter().for_each(|text| check("extra_directives", text));
                    vhost.extra_blocks.iter().for_each(|block| check("extra_blocks", &block.content));
                }
                Subject::Route(vhost, prefix) => {
                    let route = target.vhosts.get(vhost).and_then(|vhost| vhost.routes.get(prefix));
                    let text = route.and_then(|route| route.extra_directives.as_ref());
                    text.into_iter().for_each(|text| check("extra_directives", text));
                }
                Subject::Pool(_) | Subject::Member(..) | Subject::IgnoredBucket(..) => {}
            }
        }
        faults
    }

    /// Takes into a plan what a rehearsal showed.
    async fn show(&self, rehearsed: Rehearsed, plan: &mut Plan) -> Result<(), ServiceError> {
        let mut known = HashMap::new();
        plan.nginx = match rehearsed.verdict {
            Ok(tested) => {
                known.extend(tested.written);
                tested.nginx
            }
            Err(GatewayError::Fault(why)) => return Err(GatewayError::Fault(why).into()),
            Err(refused) => Some(NginxAnswer { ok: false, output: refused.to_string() }),
        };
        let FileChange { put, remove, recorded, .. } = rehearsed.files;
        let gateway = &self.context.gateway;
        // What was tested is hashed already, and few of the texts are shown.
        let differs = |path: &String, file: &ManagedFile| match known.get(path) {
            Some(hash) => recorded.get(path) != Some(hash),
            None => recorded.get(path) != Some(&gateway.render(file).sha256),
        };
        let mut touched = BTreeMap::new();
        for file in put.iter().filter(|file| file.name().is_configuration()) {
            let path = gateway.path(&file.name());
            if differs(&path, file) {
                touched.insert(path, Some(file));
            }
        }
        let paths = remove.iter().filter(|name| name.is_configuration()).map(|name| gateway.path(name));
        touched.extend(paths.filter(|path| recorded.contains_key(path)).map(|path| (path, None)));
        plan.more_files = touched.len().saturating_sub(SHOWN_FILES);
        for (path, after) in touched.into_iter().take(SHOWN_FILES) {
            let before = match gateway.read_file(&path).await? {
                FileAt::Present(_, text) => Some(text),
                FileAt::Missing | FileAt::NotManaged(_) => None,
            };
            plan.files.push(Draft { path, before, after: after.map(|file| gateway.render(file).content) });
        }
        Ok(())
    }
}

/// A change that takes the steps; `false`: something else changed the gateway meanwhile, and nothing was done.
fn carried(
    present: Arc<Present>,
    target: Manifest,
    differences: &Differences,
) -> impl FnMut(&mut Change<'_>) -> Result<bool, ServiceError> + Send + 'static {
    let steps = differences.steps.clone();
    move |change: &mut Change<'_>| {
        if last_change(change.tx)? != present.change {
            return Ok(false);
        }
        carry_out(change, &present, &target, &steps)?;
        Ok(true)
    }
}

/// For commands that are given before anything has got its name back.
fn in_present_names(held: Vec<Held>, renames: &Renames) -> Vec<Held> {
    held.into_iter().map(|held| Held { turn: renames.now(&held.turn), ..held }).collect()
}

fn expect_sound(faults: Vec<Fault>) -> Result<(), ServiceError> {
    if faults.is_empty() { Ok(()) } else { Err(ServiceError::Manifest(faults)) }
}

fn restless() -> ServiceError {
    ServiceError::Conflict("the gateway was changed each time meanwhile; repeat when nothing else does".to_owned())
}

/// Names the first of what stands in the way.
fn refusal(held: &[Held]) -> ServiceError {
    let mut told: Vec<String> = held
        .iter()
        .take(NAMED)
        .map(|held| {
            let how = held.command().map(|command| format!(": {command}")).unwrap_or_default();
            format!("{}{}: {}{how}", held.turn.vhost, held.turn.prefix, held.why)
        })
        .collect();
    if held.len() > NAMED {
        told.push(format!("{} more, which the plan lists", held.len() - NAMED));
    }
    ServiceError::Conflict(format!(
        "nothing was changed, as no apply leads a bucket away from its objects. Move these first, or repeat with partial \
         (--partial) to do the rest: {}",
        told.join("; ")
    ))
}
