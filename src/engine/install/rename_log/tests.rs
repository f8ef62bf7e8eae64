//! Rename logs: only paths of the member itself are accepted.
use super::*;

#[test]
fn only_paths_of_the_member_are_within() {
    let targets = [PathBuf::from("/var/lib/etcd/m1"), "/log/wal".into()];
    for right in [
        "/var/lib/etcd/m1",
        "/var/lib/etcd/m1.old-20261122-031205",
        "/var/lib/etcd/m1.undone-20261122-031205-2",
        "/var/lib/etcd/m1/member",
        "/var/lib/etcd/m1/requorum-old-2026/member",
        "/var/lib/etcd/.requorum-0a1b2c3d",
        "/var/lib/etcd/.requorum-0a1b2c3d/new",
        "/var/lib/etcd/m1/.requorum-0a1b2c3d/new/member",
        "/log/.requorum-0a1b2c3d/new",
        "/log/wal/0.wal",
    ] {
        assert!(within(&targets, Path::new(right)), "{right}");
    }
    for wrong in [
        "/etc/passwd",
        "/var/lib/etcd",
        "/var/lib/etcd/m2",
        "/var/lib/etcd/m10",
        "/var/lib/etcd/m1x.old-1",
        "/var/lib/etcd/m1/member/snap",
        "/var/lib/etcd/m1/../../../../etc/passwd",
        "/var/lib/etcd/m1/..",
        "/var/lib/etcd/.requorum-0a1b2c3d/old",
        "/var/lib/etcd/.requorum-0a1b2c3d/../passwd",
        "/var/lib/etcd/.requorum-0a1b2c3d/new/a/b",
        "/var/lib/.requorum-0a1b2c3d/new",
        "var/lib/etcd/m1",
        "",
    ] {
        assert!(!within(&targets, Path::new(wrong)), "{wrong}");
    }
}
