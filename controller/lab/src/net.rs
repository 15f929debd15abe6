//! Network namespaces without root, without installed programs and without names in the file system: the ground the lab
//! and the dataplane tests stand on.
//!
//! [`enter`] moves the process into a user and network namespace of its own, which must happen before the first thread
//! starts. [`Namespace`] is one network namespace, held by a descriptor and gone when the last holder and the last thread
//! inside it are gone. [`super::wire`] plugs cables into it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::thread::JoinHandle;

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{getegid, geteuid};

/// With whose rights namespaces are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Those of an ordinary user: a user namespace of our own is entered first, also when root calls. Nothing outside can
    /// be touched from inside.
    OwnUserNamespace,
    /// Those the caller has already (root, or inside a user namespace made by a parent). The process itself stays where
    /// it is; only [`Namespace::new`] makes new ones.
    AsWeAre,
}

/// Why a namespace was not made or not entered.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// [`enter`] came too late.
    #[error("{threads} threads run already: namespaces must be entered before the first thread starts")]
    NotAlone {
        /// Threads of the process, with the first.
        threads: usize,
    },
    /// The kernel or its configuration forbids it.
    #[error(
        "this system does not let an ordinary user make a {what} namespace ({errno}). Remedy: \
         `sysctl -w user.max_user_namespaces=10000`, on Debian before 12 also `kernel.unprivileged_userns_clone=1`, on \
         Ubuntu from 23.10 also `kernel.apparmor_restrict_unprivileged_userns=0`; in a container allow the unshare system call"
    )]
    Forbidden {
        /// user or network.
        what: &'static str,
        /// The kernel's answer.
        errno: nix::Error,
    },
    /// A file of the kernel could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A thread could not be started or died.
    #[error("namespace {namespace}: {what}")]
    Thread {
        /// Where.
        namespace: String,
        /// What happened.
        what: String,
    },
    /// The kernel refused a change over route netlink.
    #[error("namespace {namespace}: {what}: {source}")]
    Netlink {
        /// Where.
        namespace: String,
        /// What was meant.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// Prepares the process for [`Namespace::new`]. Call it in `main`, before anything that starts threads; sockets opened
/// before the call stay in the network they were opened in. Also lifts the soft limit of open files to the hard one,
/// because each namespace is held by a descriptor.
///
/// # Errors
/// [`NetError::NotAlone`] when threads run already, [`NetError::Forbidden`] when the system does not allow it.
pub fn enter(rights: Rights) -> Result<(), NetError> {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Best effort: a low limit shows itself by name when the last descriptor is asked for.
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).ok();
    }
    if rights == Rights::AsWeAre {
        return Ok(());
    }
    let threads = std::fs::read_dir("/proc/self/task").map_err(file_error("/proc/self/task"))?.count();
    if threads != 1 {
        return Err(NetError::NotAlone { threads });
    }
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|errno| NetError::Forbidden { what: "user", errno })?;
    // Without this an unprivileged process may not write its gid_map (user_namespaces(7)).
    write("/proc/self/setgroups", "deny")?;
    // We are root inside, so that a child keeps its capabilities over exec.
    write("/proc/self/uid_map", &format!("0 {uid} 1"))?;
    write("/proc/self/gid_map", &format!("0 {gid} 1"))?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| NetError::Forbidden { what: "network", errno })
}

/// One network namespace. Clones are the same namespace.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: Arc<str>,
    held: Arc<File>,
}

impl Namespace {
    /// A new, empty one; `lo` is up, duplicate address detection and router advertisements are off, so that addresses can
    /// be used at once. The name is for threads and messages only.
    ///
    /// # Errors
    /// [`NetError::Forbidden`] without the rights for it (see [`enter`]).
    pub fn new(name: &str) -> Result<Self, NetError> {
        let made = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new()
                .name(thread_name(name))
                .spawn_scoped(scope, || {
                    unshare(CloneFlags::CLONE_NEWNET)
                        .map_err(|errno| NetError::Forbidden { what: "network", errno })?;
                    Self::current(name)
                })
                .map_err(|e| no_thread(name, &e))?;
            thread.join().map_err(|_| died(name))?
        })?;
        made.run(|| {
            for (key, value) in [
                ("ipv6/conf/all/accept_dad", "0"),
                ("ipv6/conf/default/accept_dad", "0"),
                ("ipv6/conf/default/dad_transmits", "0"),
                ("ipv6/conf/default/accept_ra", "0"),
            ] {
                sysctl(key, value)?;
            }
            Ok::<_, NetError>(())
        })??;
        made.wire(|wire| wire.up("lo"))?;
        Ok(made)
    }

    /// The one the calling thread is in.
    ///
    /// # Errors
    /// When /proc is not there.
    pub fn current(name: &str) -> Result<Self, NetError> {
        let path = "/proc/thread-self/ns/net";
        let held = File::open(path).map_err(file_error(path))?;
        Ok(Self { name: name.into(), held: Arc::new(held) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The descriptor that holds it, for `setns` and for moving interfaces.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.held.as_fd()
    }

    /// Runs the closure on a thread of its own inside, and waits for it. What it opens or spawns there (sockets,
    /// child processes) stays there.
    ///
    /// # Errors
    /// When the thread cannot start, cannot enter or dies.
    pub fn run<R: Send>(&self, inside: impl FnOnce() -> R + Send) -> Result<R, NetError> {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new()
                .name(thread_name(&self.name))
                .spawn_scoped(scope, || self.enter_here().map(|()| inside()))
                .map_err(|e| no_thread(&self.name, &e))?;
            thread.join().map_err(|_| died(&self.name))?
        })
    }

    /// Starts a thread inside that goes on by itself; its result says whether it could enter.
    ///
    /// # Errors
    /// When the thread cannot start.
    pub fn spawn_thread<R: Send + 'static>(
        &self,
        inside: impl FnOnce() -> R + Send + 'static,
    ) -> Result<JoinHandle<Result<R, NetError>>, NetError> {
        let own = self.clone();
        std::thread::Builder::new()
            .name(thread_name(&self.name))
            .spawn(move || own.enter_here().map(|()| inside()))
            .map_err(|e| no_thread(&self.name, &e))
    }

    fn enter_here(&self) -> Result<(), NetError> {
        setns(self.fd(), CloneFlags::CLONE_NEWNET).map_err(|errno| NetError::Thread {
            namespace: self.name.to_string(),
            what: format!("cannot be entered: {errno}"),
        })
    }
}

/// Sets a network setting of the calling thread's namespace: `ipv4/ip_forward` is /proc/sys/net/ipv4/ip_forward.
///
/// # Errors
/// When there is no such setting, or the file system is mounted read-only (some containers).
pub fn sysctl(key: &str, value: &str) -> Result<(), NetError> {
    write(&format!("/proc/sys/net/{key}"), value)
}

fn write(path: &str, text: &str) -> Result<(), NetError> {
    std::fs::write(path, text).map_err(file_error(path))
}

fn file_error(path: &str) -> impl Fn(io::Error) -> NetError {
    move |source| NetError::File { path: path.into(), source }
}

fn no_thread(namespace: &str, e: &io::Error) -> NetError {
    NetError::Thread { namespace: namespace.into(), what: format!("no thread could be started: {e}") }
}

fn died(namespace: &str) -> NetError {
    NetError::Thread { namespace: namespace.into(), what: "the thread inside died".into() }
}

/// The kernel keeps 15 bytes of a thread's name.
fn thread_name(namespace: &str) -> String {
    namespace.chars().filter(char::is_ascii_graphic).take(15).collect()
}
