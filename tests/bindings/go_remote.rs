//! The Go client over the network.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::go::Module;
use crate::matrix::{self, Program, Serves};
use crate::network;
use crate::remote::{CALLER, Door, Mesh, Remote, anywhere};

/// A module with a program that calls other machines.
fn module(programs: &[&str]) -> Module {
    let module = Module::of(&[&matrix::snapshot()]);
    for program in programs {
        module.add(program, "program");
    }
    module.take_cellquic();
    module.must("go", &["build", "-o", "play", "./program"]);
    module
}

#[test]
fn the_go_client_plays_every_scenario_over_the_network() {
    let module = module(&["matrix", "over"]);
    matrix::play_with::<Remote>(&Program {
        language: "go",
        command: vec![module.path("play").into()],
        folder: module.dir.path().to_owned(),
    });
}

#[test]
fn the_local_client_is_built_without_what_the_network_needs() {
    let module = Module::of(&[&matrix::snapshot()]);
    module.must("go", &["build", "./..."]);
    let list = module.command("go", &["list", "-deps", "./..."]).output();
    let list = String::from_utf8(list.unwrap().stdout).unwrap();
    assert!(list.contains("example.com/app/cells/matrix"), "{list}");
    assert!(!list.contains("quic"), "{list}");
}

/// A scenario of `remote/main.go`, called as the keys of `mesh` say.
fn command(module: &Module, mesh: &Mesh, at: &str, scenario: &str) -> Command {
    let mut command = Command::new(module.path("play"));
    command
        .arg(scenario)
        .env_remove("CELL_HOME")
        .env("CELL_AT", at)
        .envs(mesh.env());
    command
}

/// What it prints, line by line.
fn lines(mut command: Command) -> Vec<String> {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines().map(str::to_owned).collect()
}

/// Each call is told the same, with all of these parts.
fn are_told(command: Command, parts: &[&str]) {
    let lines = lines(command);
    assert!(!lines.is_empty());
    for line in &lines {
        for part in parts {
            assert!(line.contains(part), "{part:?} is not in {line:?}");
        }
    }
}

#[test]
fn peers_that_are_not_trusted_are_refused_with_what_to_do() {
    let module = module(&["remote"]);
    let (mesh, foreign) = (Mesh::new(), Mesh::new());
    let door = Door::open(&mesh, "matrix", anywhere(), 1);
    let at = format!("matrix@{}", door.address);
    let fails = |mesh: &Mesh| command(&module, mesh, &at, "fails");
    are_told(fails(&mesh), &["answered: 5"]);

    // Nobody knows the other's authority; then only the service does not know that of its caller.
    let strangers = ["unavailable: ", "its certificate is not the cell's"];
    are_told(fails(&foreign), &strangers);
    foreign.trust(&mesh);
    let other = "this side's certificate comes from another authority";
    are_told(fails(&foreign), &["refused: ", other]);
    assert!(door.says("refused ").contains("127.0.0.1"));

    // Names: who serves there, and who calls.
    let elsewhere = at.replace("matrix@", "other@");
    let wrong = command(&module, &mesh, &elsewhere, "fails");
    are_told(wrong, &["unavailable: ", "other", "issued for this name"]);
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
    are_told(fails(&mesh), &["refused: ", late]);
    door.says("expired");
    mesh.issue_as(CALLER, CALLER);
    mesh.expire("matrix");
    let late = "its certificate has expired; renew it with `cargo cell keys issue`";
    are_told(fails(&mesh), &["unavailable: ", late]);
    mesh.issue_as("matrix", "somebody");
    are_told(fails(&mesh), &["unavailable: ", "somebody"]);
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
fn a_call_that_nobody_answers_ends_with_its_deadline_or_its_client() {
    let module = module(&["remote"]);
    // It takes packets, and says nothing.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = format!("matrix@{}", silent.local_addr().unwrap());
    let lines = lines(command(&module, &Mesh::new(), &at, "silent"));
    assert_eq!(lines, ["late", "late", "late", "closed", "closed"]);
}

#[test]
fn calls_of_a_process_that_dies_fail_and_the_next_one_is_found() {
    let module = module(&["remote"]);
    let remote = Remote::start("matrix");
    let at = format!("matrix@{}", remote.door.address);
    let mut client = command(&module, &remote.mesh, &at, "restarted")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(client.stdout.take().unwrap()).lines();
    let mut next = || said.next().unwrap().unwrap();
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
    assert_eq!(next(), "generation 2 <nil>");
    assert!(client.wait().unwrap().success());
}

#[test]
fn without_a_transport_an_address_of_the_network_says_what_helps() {
    let module = module(&["remote"]);
    let at = "matrix@host.example:4433";
    let missing = command(&module, &Mesh::new(), at, "missing");
    are_told(
        missing,
        &["cellquic", "`cargo cell relay matrix@host.example:4433`"],
    );
}

/// Runs the tests of a folder.
fn passes(module: &Module, folder: &str, mesh: &Mesh) {
    let mut command = module.command("go", &["test", "-count=1", "-timeout=120s", "."]);
    let output = command
        .current_dir(module.path(folder))
        .envs(mesh.env())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
}

#[test]
fn the_client_survives_hostile_servers_on_the_network() {
    let module = Module::of(&[&matrix::snapshot()]);
    module.take_cellquic();
    module.add("hostile", "hostile");
    passes(&module, "hostile", &Mesh::new());
}

#[test]
fn what_ends_mean_and_which_keys_are_shown() {
    let module = Module::of(&[]);
    module.add("quic", "cells/cellquic");
    passes(&module, "cells/cellquic", &Mesh::new());
}

#[test]
fn between_two_network_namespaces_a_cut_and_a_restart_start_no_call_twice_and_hang_none() {
    let module = module(&["network"]);
    let mesh = Mesh::new();
    let mut client = Command::new(module.path("play"));
    if let Err(why) = network::strike(&mesh, &mut client) {
        eprintln!("skipped: two network namespaces cannot be had here: {why}");
    }
}
