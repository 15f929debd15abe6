//! What needs nothing but files: the documents and the manifests beside the code, stories told by files, and the store on
//! a disk that is full or under a process that is killed.

mod documents;
mod rooms;
mod scenarios;
mod store_crash;
mod store_disk_full;
