//! Next steps: what the restored data causes by itself, and what the incident left undone, each with its command.

use super::{Case, Next, shown};
use crate::{
    domain::model::{
        observations::started::{Data, Kubernetes, Lease, Queried},
        url,
    },
    text::{
        join::all,
        number::{plural, thousands},
        quote::shell_line,
        time::age,
    },
};

/// So many names are listed before the rest is counted.
const NAMED: usize = 3;

pub(super) fn next(case: Case<'_>, data: &Queried<Data>) -> Vec<Next> {
    let mut out = Vec::new();
    match data {
        Queried::Not => {}
        Queried::Failed(why) => {
            let what = format!("What the restored data will need is not known: {why}.");
            out.push(Next { what, command: String::new() });
        }
        Queried::Is(data) => {
            out.extend(leases(case, &data.leases));
            if let Some(kubernetes) = &data.kubernetes {
                out.extend(of_kubernetes(case, kubernetes));
            }
        }
    }
    let kubernetes = matches!(data, Queried::Is(Data { kubernetes: Some(_), .. }));
    out.push(caches(case, kubernetes));
    if case.plan.options.disable_auth {
        let what =
            "Authentication is disabled, as planned: every client can read and write until it is enabled again.".into();
        out.push(Next { what, command: etcdctl(case, &["auth", "enable"]) });
    }
    let file = format!("{}-after.db", case.plan.label);
    let first = case.plan.members.iter().flat_map(|m| m.client_urls.first()).next();
    let endpoint = first.map_or_else(String::new, |url| format!("--endpoints={url}"));
    out.push(Next {
        what: "Backups: save a snapshot of the new cluster now, and enable scheduled backups again.".into(),
        command: shell_line(["requorum", "snapshot", "save", &file, &endpoint]),
    });
    out
}

fn etcdctl(case: Case<'_>, words: &[&str]) -> String {
    let endpoints = format!("--endpoints={}", case.endpoints());
    shell_line(["etcdctl", &endpoints].into_iter().chain(words.iter().copied()))
}

/// The first names, and how many more there are.
fn some(items: &[String]) -> String {
    match items.len().saturating_sub(NAMED) {
        0 => all(items),
        more => format!(
            "{} and {} more",
            items.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", "),
            thousands(more as u64)
        ),
    }
}

fn leases(case: Case<'_>, leases: &[Lease]) -> Option<Next> {
    let mut sorted: Vec<&Lease> = leases.iter().collect();
    sorted.sort_by(|a, b| (a.seconds, &a.id).cmp(&(b.seconds, &b.id)));
    let (first, last) = (sorted.first()?, sorted.last()?);
    let keys: u64 = sorted.iter().map(|lease| lease.keys).sum();
    let named: Vec<String> = sorted.iter().flat_map(|lease| lease.first_keys.clone()).take(NAMED).collect();
    let more = keys.saturating_sub(named.len() as u64);
    let more = if more > 0 { format!(" and {} more", thousands(more)) } else { String::new() };
    let count = sorted.len();
    let when = match first.seconds == last.seconds {
        true => age(first.seconds),
        false => format!("{} to {}", age(first.seconds), age(last.seconds)),
    };
    let what = format!(
        "{} {} {when} after the first leader was elected and {} {} {} with {}, unless their clients are back by then: \
         {}{more}.",
        thousands(count as u64),
        plural(count, "lease expires", "leases expire"),
        plural(count, "takes", "take"),
        thousands(keys),
        plural(usize::try_from(keys).unwrap_or(usize::MAX), "key", "keys"),
        plural(count, "it", "them"),
        named.join(", "),
    );
    Some(Next { what, command: etcdctl(case, &["lease", "timetolive", &first.id, "--keys"]) })
}

fn of_kubernetes(case: Case<'_>, found: &Kubernetes) -> Vec<Next> {
    let mut out = Vec::new();
    let hosts: Vec<String> = case
        .plan
        .members
        .iter()
        .flat_map(|m| m.peer_urls.iter().chain(&m.client_urls))
        .filter_map(|url| url::parse(url).ok())
        .map(|url| url.host)
        .collect();
    let stale: Vec<String> = found.api_servers.iter().filter(|address| !hosts.contains(address)).cloned().collect();
    if let Some(first) = stale.first() {
        out.push(Next {
            what: format!(
                "{}masterleases lists API servers on hosts that are not members: {}. The service \"kubernetes\" \
                 sends clients there until the rows are gone.",
                found.prefix,
                some(&stale)
            ),
            command: etcdctl(case, &["del", &format!("{}masterleases/{first}", found.prefix)]),
        });
    }
    let gone: Vec<String> = case
        .seen
        .old
        .members
        .iter()
        .map(|m| m.name.to_string())
        .filter(|name| found.nodes.contains(name) && !case.plan.members.iter().any(|m| m.name == *name))
        .collect();
    if !gone.is_empty() {
        out.push(Next {
            what: format!(
                "{} {} still a node, but no longer a member.",
                some(&gone),
                plural(gone.len(), "is", "are each")
            ),
            command: shell_line(["kubectl", "delete", "node"].into_iter().chain(gone.iter().map(String::as_str))),
        });
    } else if !found.nodes.is_empty() {
        out.push(Next {
            what: format!(
                "{} {} as they were at the snapshot; those whose hosts are gone stay until they are deleted.",
                thousands(found.nodes.len() as u64),
                plural(found.nodes.len(), "node is", "nodes are"),
            ),
            command: "kubectl get nodes".into(),
        });
    }
    for sealed in &found.sealed {
        out.push(Next {
            what: format!(
                "{} {} ({}) can be read only with the {} {} key \"{}\" in the API server's --encryption-provider-config, \
                 which etcd does not hold.",
                thousands(sealed.objects),
                plural(usize::try_from(sealed.objects).unwrap_or(usize::MAX), "object", "objects"),
                some(&sealed.kinds),
                sealed.provider,
                sealed.version,
                sealed.key
            ),
            command: format!("kubectl get {} --all-namespaces -o name", sealed.kinds.first().map_or("secrets", String::as_str)),
        });
    }
    if found.service_accounts > 0 {
        out.push(Next {
            what: format!(
                "Tokens of {} service {} are signed with a key that etcd does not hold: every control-plane host needs the old \
                 sa.key and sa.pub.",
                thousands(found.service_accounts),
                plural(usize::try_from(found.service_accounts).unwrap_or(usize::MAX), "account", "accounts"),
            ),
            command: "openssl pkey -in /etc/kubernetes/pki/sa.key -pubout | diff - /etc/kubernetes/pki/sa.pub".into(),
        });
    }
    out
}

/// Returns the step for clients that know later revisions than the cluster.
fn caches(case: Case<'_>, kubernetes: bool) -> Next {
    let plan = case.plan;
    let command = match kubernetes {
        true => {
            "crictl ps -q --name 'kube-(apiserver|controller-manager|scheduler)' | xargs -r crictl stop; systemctl \
                 restart kubelet"
                .to_string()
        }
        false => String::new(),
    };
    let from = shown(plan.expected_revision());
    let what = match plan.bump_revision > 0 {
        true => format!(
            "Clients that were watching before the restore must list again: revisions continue from {from}, and older ones are answered \
             with \"compacted\". Restart any client that does not list again or that knows a later revision."
        ),
        false => format!(
            "Clients that were watching before the restore may know revisions above {from} that are issued again (there was no \
             bump): restart every one of them, on every host, or its cache stays wrong."
        ),
    };
    Next { what, command }
}
