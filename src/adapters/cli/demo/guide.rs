//! What a running demo tells its user: where things are, and lines that work as printed.

use super::place::{Kept, Place};
use super::s3::REGION;

/// The guide.
pub(super) fn text(place: &Place, kept: &Kept, api: &str) -> String {
    let gateway = format!("http://localhost:{}", kept.gateway_port);
    let key = kept.api_key.reveal();
    let (access, secret) = (&kept.s3_access_key, kept.s3_secret_key.reveal());
    // A proxy of the environment would be asked for `localhost`, and would look on its own machine.
    let proxied = ["http_proxy", "all_proxy", "ALL_PROXY"].iter().any(|name| std::env::var_os(name).is_some());
    let curl = if proxied { "curl --noproxy localhost" } else { "curl" };
    let s3 = format!("{curl} --aws-sigv4 \"aws:amz:{REGION}:s3\" --user {access}:{secret}");
    format!(
        "
nanio-orchestrator demo is running. Ctrl-C ends it; its state stays in {directory}

  Web UI       {api}/   (log in with the API key)
  API docs     {api}/api/docs
  API          {api}/api
  API key      {key}
  S3 gateway   {gateway}   (bucket photos -> pool-2026, every other -> pool-2025)

Try the API:
  {curl} -H \"X-Orchestrator-Key: {key}\" {api}/api/pools

Try S3 through the gateway:
  {s3} {gateway}/photos/beach.txt
  {s3} \"{gateway}/documents?list-type=2\"
  {s3} -T README.md {gateway}/documents/README.md
  AWS_ACCESS_KEY_ID={access} AWS_SECRET_ACCESS_KEY={secret} AWS_DEFAULT_REGION={REGION} \\
    aws --endpoint-url {gateway} s3 ls s3://photos

Prove that a bucket moves from pool-2025 to pool-2026 while clients work on it, and that none notices:
  NANIO_ORCHESTRATOR_API_KEY={key} NANIO_ORCHESTRATOR_S3_ACCESS_KEY={access} \\
    NANIO_ORCHESTRATOR_S3_SECRET_KEY={secret} {program} drill --server {api}
",
        directory = place.top().display(),
        program =
            std::env::current_exe().map_or_else(|_| "nanio-orchestrator".to_owned(), |path| path.display().to_string()),
    )
}
