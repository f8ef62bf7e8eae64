//! Work on one machine's files, synchronous: know what a file is, read its status, restore a data
//! directory from it. No terminal, no network, no clock it was not handed.

pub mod archive;
pub mod bench;
pub mod byhand;
pub mod changes;
pub mod compare;
pub mod contents;
pub mod copy;
pub mod datadir;
pub mod disk;
pub mod genesis;
pub mod hashkv;
pub mod inspect;
pub mod keys;
pub mod kin;
pub mod kubernetes;
pub mod leftover;
pub mod leftovers;
pub mod live;
pub mod locks;
pub mod loss;
pub mod meaning;
pub mod owner;
pub mod prepared;
pub mod progress;
pub mod prove;
pub mod report;
pub mod restore;
pub mod roster;
pub mod scan;
pub mod source;
pub mod stage;
pub mod status;
pub mod swap;
pub mod v2keys;
pub mod words;
