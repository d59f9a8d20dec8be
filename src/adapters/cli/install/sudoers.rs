//! The rule for sudo: for commands that the service's user runs while the deputy is not there.

use super::layout::{Layout, USER};
use crate::adapters::privileged;

/// Where the rule is.
pub const PATH: &str = "/etc/sudoers.d/nanio-orchestrator";

/// The rule: exactly the calls that are needed, as root and as nobody else.
pub fn rule(layout: &Layout) -> String {
    let calls = privileged::calls(&layout.nginx, &layout.nginx_conf, &layout.systemctl);
    let calls: Vec<String> = calls.iter().map(|call| call.join(" ")).collect();
    format!(
        "# Made by nanio-orchestrator install: nginx is tested and reloaded, and the service restarted; nothing else.\n\
         {USER} ALL=(root) NOPASSWD: {}\n",
        calls.join(", \\\n    ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_names_whole_calls_and_no_pattern() {
        let rule = rule(&Layout::usual().unwrap());
        assert_eq!(
            rule.lines().skip(1).collect::<Vec<_>>(),
            [
                "nanio-orchestrator ALL=(root) NOPASSWD: /usr/sbin/nginx -t -q -c /etc/nginx/nanio-candidate.conf, \\",
                "    /usr/sbin/nginx -t -q -c /etc/nginx/nginx.conf, \\",
                "    /usr/sbin/nginx -s reload, \\",
                "    /usr/bin/systemctl restart nanio-orchestrator",
            ]
        );
    }
}
