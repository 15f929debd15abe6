//! nftables over netlink, without the `nft` program and without a C library.
//!
//! * [`wire`]: messages and attributes as bytes
//! * [`batch`]: changes that the kernel takes all or none of
//! * [`socket`]: sends batches, asks questions
//! * [`link`]: the interfaces of this machine, which are not nftables'
//! * [`listen`]: hears of changes, one's own and others'
//!
//! Source of the format: linux/netlink.h, linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h.

pub mod batch;
pub mod link;
pub mod listen;
pub mod socket;
pub mod wire;

/// Message kinds of nftables (`NFT_MSG_…`).
pub mod msg {
    /// A table is made or changed.
    pub const NEWTABLE: u16 = 0;
    /// Tables are asked for.
    pub const GETTABLE: u16 = 1;
    /// A table goes, with everything in it.
    pub const DELTABLE: u16 = 2;
    /// A chain is made.
    pub const NEWCHAIN: u16 = 3;
    /// Chains are asked for.
    pub const GETCHAIN: u16 = 4;
    /// A chain goes.
    pub const DELCHAIN: u16 = 5;
    /// A rule is made.
    pub const NEWRULE: u16 = 6;
    /// Rules are asked for.
    pub const GETRULE: u16 = 7;
    /// Rules go; without a chain, those of the whole table.
    pub const DELRULE: u16 = 8;
    /// A set is made.
    pub const NEWSET: u16 = 9;
    /// Sets are asked for.
    pub const GETSET: u16 = 10;
    /// A set goes.
    pub const DELSET: u16 = 11;
    /// Elements are put into a set.
    pub const NEWSETELEM: u16 = 12;
    /// Elements are asked for.
    pub const GETSETELEM: u16 = 13;
    /// Elements are taken from a set.
    pub const DELSETELEM: u16 = 14;
    /// A change was made; sent to listeners after each batch.
    pub const NEWGEN: u16 = 15;
    /// The generation is asked for.
    pub const GETGEN: u16 = 16;
    /// A named object (counter) is made.
    pub const NEWOBJ: u16 = 18;
    /// Named objects are asked for.
    pub const GETOBJ: u16 = 19;
    /// A named object goes.
    pub const DELOBJ: u16 = 20;
    /// Flow tables are asked for.
    pub const GETFLOWTABLE: u16 = 23;
}

/// `NFTA_GEN_…`, attributes of a generation.
pub(crate) mod generation {
    /// The number.
    pub const ID: u16 = 1;
    /// Whose change it was.
    pub const PID: u16 = 2;
    /// Its name.
    pub const NAME: u16 = 3;
}
