//! Where do members send clients? What they advertise is in the member list, which clients ask: a URL that is not the plan's
//! is right where the same member answers there, and leads elsewhere, or nowhere, otherwise.

use super::{Case, Check, Outcome, Topic};
use crate::{
    domain::model::{observations::started::Reached, plan::Member, url},
    text::{Foreign, join::all},
};

/// URLs that a member advertises to clients and the plan does not have for it.
pub(super) fn unplanned(case: Case<'_>, member: &Member) -> Vec<String> {
    let listed = case.ours().into_iter().find_map(|(_, _, says)| says.members.iter().find(|m| m.id == member.id));
    let known = |url: &&Foreign| !member.client_urls.iter().any(|own| same(own, url));
    let urls = listed.map(|member| member.client_urls.as_slice()).unwrap_or_default();
    urls.iter().filter(known).map(|url| url.to_string()).collect()
}

/// Whether two URLs are one for a client.
fn same(a: &str, b: &str) -> bool {
    let scheme = |url: &str| url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let [a, b] = [a, b].map(|url| url.trim_end_matches('/'));
    a == b || url::place(a).is_some() && url::place(a) == url::place(b) && scheme(a) == scheme(b)
}

/// The client URLs that members advertise, where they are not the plan's.
pub(super) fn urls(case: Case<'_>) -> Option<Check> {
    let (mut wrong, mut silent, mut notes, mut who, mut todo) = (vec![], vec![], vec![], vec![], vec![]);
    let mut open = Vec::new();
    for (member, seen) in case.members() {
        for url in unplanned(case, member) {
            let name = &member.name;
            let words = format!("{name} advertises {url} to clients, which the plan does not have");
            let again = format!(
                "Start {name} with --advertise-client-urls={}, as the plan has it: clients connect to the URLs in the \
                 member list.",
                member.client_urls.join(",")
            );
            match seen.advertised.iter().find(|(known, _)| *known == url).map(|(_, reached)| reached) {
                None => open.push(words),
                Some(Reached::Itself) => notes.push(format!("{words}, and answers there itself")),
                Some(Reached::Other { member: id, cluster }) => {
                    let of = case.plan.members.iter().find(|m| m.id == *id && *cluster == case.plan.cluster_id);
                    let other = of.map_or_else(|| format!("member {id} of cluster {cluster}"), |m| m.name.clone());
                    wrong.push(format!("{words}, and {other} answers there"));
                    who.push(name.as_str());
                    todo.push(again);
                }
                Some(Reached::Silent(why)) => {
                    silent.push(format!("{words}, and nothing answers there from this machine ({why})"));
                    who.push(name.as_str());
                    todo.push(again);
                }
            }
        }
    }
    let check = |outcome, words: &[String]| Check::new(Topic::Urls, outcome, all(words));
    let found = match () {
        () if !wrong.is_empty() => check(Outcome::Fail, &wrong),
        () if !silent.is_empty() => check(Outcome::Unknown, &silent),
        () if !open.is_empty() => check(Outcome::NotYet, &open),
        () if !notes.is_empty() => check(Outcome::Pass, &notes).aside(),
        () => return None,
    };
    Some(Check { todo, ..found.who(who) })
}
