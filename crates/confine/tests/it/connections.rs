//! Who holds the other end of a loopback connection.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use remit_confine::ProcessId;
use remit_confine::connection::{Holder, holder, socket_inode, tree};

/// A child that connects and waits for a line.
const CONNECT: &str = r#"exec 3<>"/dev/tcp/127.0.0.1/$1"; echo connected; read -r _"#;

#[test]
fn the_kernel_names_the_process_behind_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    let mut child = Command::new("bash")
        .args(["-c", CONNECT, "bash", &server.port().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (stream, client) = listener.accept().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    let run = ProcessId::of(child.id()).unwrap();
    let inode = socket_inode(client, server).unwrap();
    assert_eq!(holder(inode, run).unwrap(), Holder::Run(run));
    assert!(tree(run).unwrap().contains(&run));

    // Our own connection is not the child's, however it is asked for.
    let ours = dial(server);
    let (_accepted, client) = listener.accept().unwrap();
    let inode = socket_inode(client, server).unwrap();
    assert_eq!(holder(inode, run).unwrap(), Holder::Other);
    drop(ours);

    // Another process of the same pid is another process.
    let reused = ProcessId {
        start_time: run.start_time + 1,
        ..run
    };
    assert_eq!(holder(inode, reused).unwrap(), Holder::Other);
    drop(stream);
    child.stdin.take().unwrap().write_all(b"done\n").unwrap();
    child.wait().unwrap();
}

#[test]
fn a_socket_that_is_not_there_is_not_found() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    let nobody = "127.0.0.1:1".parse().unwrap();
    assert!(socket_inode(nobody, server).is_err());
}

#[test]
fn ipv6_is_told_too() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        eprintln!("skipped: no IPv6 here");
        return;
    };
    let server = listener.local_addr().unwrap();
    let _client = dial(server);
    let (_accepted, client) = listener.accept().unwrap();
    let own = ProcessId::own().unwrap();
    assert_eq!(
        holder(socket_inode(client, server).unwrap(), own).unwrap(),
        Holder::Run(own)
    );
}

#[expect(clippy::disallowed_methods, reason = "the test stands for a client")]
fn dial(server: std::net::SocketAddr) -> TcpStream {
    TcpStream::connect(server).unwrap()
}
