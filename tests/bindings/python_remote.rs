//! The Python client over the network.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::matrix::{self, Program, Serves};
use crate::network;
use crate::python::Project;
use crate::remote::{CALLER, Door, Mesh, Remote, anywhere};
use crate::tools;

fn project(program: &str) -> Project {
    let project = Project::of(&[&matrix::snapshot()]);
    project.add(program);
    project
}

#[test]
fn the_python_client_plays_every_scenario_over_the_network() {
    let project = project("play.py");
    matrix::play_with::<Remote>(&Program {
        language: "python",
        command: vec![
            tools::python().path("python").into(),
            project.path("play.py").into(),
        ],
        folder: project.dir.path().to_owned(),
    });
}

/// A scenario of `remote.py`, called as the keys of `mesh` say.
fn command(project: &Project, mesh: &Mesh, at: &str, scenario: &str) -> Command {
    let mut command = tools::python().command("python");
    command
        .args(["-W", "error", "remote.py", scenario])
        .current_dir(project.dir.path())
        .env_remove("CELL_HOME")
        .env("CELL_AT", at)
        .envs(mesh.env());
    command
}

/// What it prints, line by line.
fn lines(mut command: Command) -> Vec<String> {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines().map(str::to_owned).collect()
}

/// A thread and a task are told the same, with all of these parts.
fn are_told(command: Command, parts: &[&str]) {
    let lines = lines(command);
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in &lines {
        for part in parts {
            assert!(line.contains(part), "{part:?} is not in {line:?}");
        }
    }
}

#[test]
fn peers_that_are_not_trusted_are_refused_with_what_to_do() {
    let project = project("remote.py");
    let (mesh, foreign) = (Mesh::new(), Mesh::new());
    let door = Door::open(&mesh, "matrix", anywhere(), 1);
    let at = format!("matrix@{}", door.address);
    let fails = |mesh: &Mesh| command(&project, mesh, &at, "fails");
    are_told(fails(&mesh), &["answered: 5"]);

    // Nobody knows the other's authority; then only the service does not know that of its caller.
    let strangers = ["UnavailableError", "its certificate is not the cell's"];
    are_told(fails(&foreign), &strangers);
    foreign.trust(&mesh);
    let other = "this side's certificate comes from another authority";
    are_told(fails(&foreign), &["RefusedError", other]);
    assert!(door.says("refused ").contains("127.0.0.1"));

    // Names: who serves there, and who calls.
    let elsewhere = at.replace("matrix@", "other@");
    let wrong = command(&project, &mesh, &elsewhere, "fails");
    are_told(
        wrong,
        &["UnavailableError", "'other'", "issued for this name"],
    );
    let mut anonymous = fails(&mesh);
    anonymous
        .env_remove("CELL_IDENTITY")
        .env_remove("CELL_NAME");
    are_told(anonymous, &["set CELL_IDENTITY", "cargo cell keys issue"]);
    let mut nobody = fails(&mesh);
    nobody.env("CELL_IDENTITY", "nobody");
    are_told(
        nobody,
        &["nobody.pem", "run `cargo cell keys issue nobody`"],
    );

    // Times.
    mesh.expire(CALLER);
    let late = "this side's certificate has expired; renew it with `cargo cell keys issue`";
    are_told(fails(&mesh), &["RefusedError", late]);
    door.says("expired");
    mesh.issue_as(CALLER, CALLER);
    mesh.expire("matrix");
    let late = "its certificate has expired; renew it with `cargo cell keys issue`";
    are_told(fails(&mesh), &["UnavailableError", late]);
    mesh.issue_as("matrix", "somebody");
    are_told(fails(&mesh), &["UnavailableError", "somebody"]);
    mesh.issue_as("matrix", "matrix");
    are_told(fails(&mesh), &["answered: 5"]);

    // A private key is its owner's alone.
    mesh.show(CALLER);
    are_told(
        fails(&mesh),
        &["others may read it (mode 644)", "chmod 600"],
    );
}

#[test]
fn a_call_that_nobody_answers_ends_with_its_deadline() {
    let project = project("remote.py");
    // It takes packets, and says nothing.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = format!("matrix@{}", silent.local_addr().unwrap());
    let lines = lines(command(&project, &Mesh::new(), &at, "silent"));
    assert_eq!(lines, ["late", "late", "late"]);
}

#[test]
fn calls_of_a_process_that_dies_fail_and_the_next_one_is_found() {
    let project = project("remote.py");
    let remote = Remote::start("matrix");
    let at = format!("matrix@{}", remote.door.address);
    let mut client = command(&project, &remote.mesh, &at, "restarted")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(client.stdout.take().unwrap()).lines();
    let mut next = || said.next().unwrap().unwrap();
    assert_eq!(next(), "0");
    assert_eq!(next(), "in flight");
    let _remote = remote.killed(2);
    client.stdin.take().unwrap().write_all(b"\n").unwrap();
    for what in ["slow: ", "items: "] {
        let line = next();
        assert!(
            line.starts_with(what) && line.contains("`matrix` is unavailable"),
            "{line}"
        );
    }
    assert_eq!(next(), "generation 2");
    assert!(client.wait().unwrap().success());
}

#[test]
fn without_quic_an_address_of_the_network_says_what_to_install() {
    let project = project("remote.py");
    let at = "matrix@host.example:4433";
    let missing = command(&project, &Mesh::new(), at, "missing");
    are_told(missing, &["host.example:4433", "pip install 'aioquic"]);
}

#[test]
fn the_client_survives_hostile_servers_on_the_network() {
    let project = project("test_remote.py");
    let output = tools::python()
        .command("python")
        .args(["-m", "unittest", "test_remote"])
        .current_dir(project.dir.path())
        .envs(Mesh::new().env())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

#[test]
fn between_two_network_namespaces_a_cut_and_a_restart_start_no_call_twice_and_hang_none() {
    let project = project("network.py");
    let mesh = Mesh::new();
    let mut client = tools::python().command("python");
    client.arg("network.py").current_dir(project.dir.path());
    if let Err(why) = network::strike(&mesh, &mut client) {
        eprintln!("skipped: two network namespaces cannot be had here: {why}");
    }
}

#[test]
fn a_crowd_of_calls_waits_for_its_turn() {
    let project = project("remote.py");
    let remote = Remote::start("matrix");
    let at = format!("matrix@{}", remote.door.address);
    let lines = lines(command(&project, &remote.mesh, &at, "crowd"));
    assert_eq!(lines, ["True", "True", "5", "True"]);
}

#[test]
fn threads_share_a_client_which_a_fork_or_its_end_leaves_sound() {
    let project = project("remote.py");
    let remote = Remote::start("matrix");
    let at = format!("matrix@{}", remote.door.address);
    let lines = lines(command(&project, &remote.mesh, &at, "threads"));
    // A batch that has come is taken first: the fork has it, too.
    let left = "`matrix` is unavailable: a fork has left the connection behind";
    let closed = "`matrix` is unavailable: the client was closed";
    assert_eq!(lines, ["5", "0", left, "0 5", "1", closed, closed]);
}
