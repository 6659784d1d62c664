//! The inputs that runs begin with: `seeds/TARGET.txt`, one a line in hex, and what other tests know already.

/// The seeds of a target.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let committed = match target {
        "frames" => include_str!("../seeds/frames.txt"),
        "handshake" => include_str!("../seeds/handshake.txt"),
        "server" => include_str!("../seeds/server.txt"),
        "client" => include_str!("../seeds/client.txt"),
        "pair" => include_str!("../seeds/pair.txt"),
        "ring" => include_str!("../seeds/ring.txt"),
        "archives" => include_str!("../seeds/archives.txt"),
        "snapshots" => include_str!("../seeds/snapshots.txt"),
        "records" => include_str!("../seeds/records.txt"),
        _ => "",
    };
    let mut seeds: Vec<Vec<u8>> = committed.lines().map(unhex).collect();
    match target {
        "archives" => seeds.extend(archives()),
        "snapshots" => seeds.push(conformance::snapshot().to_json().into_bytes()),
        _ => {}
    }
    seeds
}

/// Every value of the conformance cell, behind the number of its route.
fn archives() -> Vec<Vec<u8>> {
    let number = |name: &str| {
        conformance::ECHOES
            .iter()
            .position(|(route, _)| *route == name)
    };
    let values = conformance::values().into_iter();
    values
        .filter(|entry| entry.bytes.len() < 1024)
        .filter_map(|entry| {
            let number = u16::try_from(number(&entry.route)?).ok()?;
            Some([&number.to_le_bytes()[..], &entry.bytes].concat())
        })
        .collect()
}

/// The bytes of a line of hex; what is no hex is left out.
fn unhex(line: &str) -> Vec<u8> {
    let digits: Vec<u8> = line
        .chars()
        .filter_map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect()
}
