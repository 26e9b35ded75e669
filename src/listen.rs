//! Addresses that are listened on: TCP ports, and Unix sockets that leave nothing behind.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixStream};

use crate::config::ListenAddress;

/// How many connections may wait to be accepted, if the system allows as many. With the usual 128, a burst of fewer than
/// two hundred has some of them, and whoever else comes, try again after a second.
const BACKLOG: u32 = 4_096;

/// Who may open a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Whoever the process's umask lets.
    Umask,
    /// Its owner alone.
    Owner,
}

/// A bound address. Dropping it closes it; a Unix socket's file goes, too.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// A connection of either kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Listener {
    /// Binds an address. A socket that a process which is gone has left behind is replaced; one that somebody listens on
    /// is not.
    pub(crate) async fn bind(address: &ListenAddress, access: Access) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => bind_tcp(*address).map(Self::Tcp),
            ListenAddress::Unix(path) => {
                remove_stale(path).await?;
                let listener = match access {
                    Access::Umask => UnixListener::bind(path)?,
                    Access::Owner => bind_private(path)?,
                };
                Ok(Self::Unix(listener, SocketFile::new(path)?))
            }
        }
    }

    /// The address, with the port that was picked if it was left open.
    pub(crate) fn address(&self) -> io::Result<ListenAddress> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(ListenAddress::Tcp),
            Self::Unix(_, file) => Ok(ListenAddress::Unix(file.path.clone())),
        }
    }

    /// The next connection, and who is at its other end.
    pub(crate) async fn accept(&self) -> io::Result<(Box<dyn Stream>, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // A connection that is gone already shows when it is read.
                let _ = stream.set_nodelay(true);
                Ok((Box::new(stream), Peer::Tcp(address)))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let peer = stream.peer_cred().ok();
                let (user, process) = (peer.map(|peer| peer.uid()), peer.and_then(|peer| peer.pid()));
                Ok((Box::new(stream), Peer::Unix { user, process }))
            }
        }
    }
}

/// Who is at the other end of a connection, as the system tells.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    /// An address.
    Tcp(SocketAddr),
    /// A process of this machine, as it was when it connected.
    Unix { user: Option<u32>, process: Option<i32> },
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<i64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix { user, process } => {
                write!(f, "uid {} pid {}", number(user.map(Into::into)), number(process.map(Into::into)))
            }
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As the usual way to bind has it: a restart need not wait for connections of before to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The file of a socket. It is removed when this is dropped, unless another process has put its own in that place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |metadata: std::fs::Metadata| metadata.dev() == self.device && metadata.ino() == self.inode;
        if std::fs::symlink_metadata(&self.path).is_ok_and(ours) {
            // Best effort: the next start removes a socket that nobody listens on.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Removes a socket that nobody listens on.
async fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    // Only a refusal says that nobody listens: with a full queue, connecting fails in another way.
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && UnixStream::connect(path).await.is_err_and(refused) {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// Binds a socket that nobody but its owner can open, not even for the moment between its making and its restriction:
/// it is made where nobody else can reach it, and moved when it is restricted.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    if std::fs::symlink_metadata(path).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = tempfile::Builder::new().prefix(".socket-").tempdir_in(parent)?;
    let made = directory.path().join("s");
    let listener = UnixListener::bind(&made)?;
    std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&made, path)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> (tempfile::TempDir, PathBuf, ListenAddress) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        (directory, path.clone(), ListenAddress::Unix(path))
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_burst_of_connections_waits_to_be_accepted() {
        let granted = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse().unwrap();
        let address = ListenAddress::Tcp("127.0.0.1:0".parse().unwrap());
        let listener = Listener::bind(&address, Access::Umask).await.unwrap();
        let ListenAddress::Tcp(address) = listener.address().unwrap() else { unreachable!() };
        let mut waiting = Vec::new();
        for _ in 0..300.min(granted) {
            let connected =
                tokio::time::timeout(std::time::Duration::from_secs(5), tokio::net::TcpStream::connect(address));
            waiting.push(connected.await.expect("the queue is full").unwrap());
        }
    }

    #[tokio::test]
    async fn only_a_socket_that_nobody_listens_on_is_replaced() {
        let (_directory, path, address) = socket();
        let first = Listener::bind(&address, Access::Umask).await.unwrap();
        // Whoever connects waits in the kernel's queue, until that is full; then connecting fails, too.
        let mut waiting = Vec::new();
        while let Ok(stream) = UnixStream::connect(&path).await {
            waiting.push(stream);
        }
        assert!(Listener::bind(&address, Access::Umask).await.is_err(), "a busy listener's socket was taken over");
        drop(first);
        // What a process that was killed leaves behind.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists() && Listener::bind(&address, Access::Owner).await.is_ok());
    }

    #[tokio::test]
    async fn the_file_goes_with_the_listener_but_not_a_successors() {
        let (_directory, path, address) = socket();
        let first = Listener::bind(&address, Access::Umask).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = Listener::bind(&address, Access::Umask).await.unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_private_socket_can_be_opened_by_its_owner_alone() {
        let (directory, path, address) = socket();
        let _listener = Listener::bind(&address, Access::Owner).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Listener::bind(&address, Access::Owner).await.unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse, "somebody listens there");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
