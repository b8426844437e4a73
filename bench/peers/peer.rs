// The peer in Rust: std::process. See peers.go for the protocol.
use std::io::{self, BufRead, Read, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

fn inherit(path: &str) -> io::Result<bool> {
    Ok(Command::new(path).status()?.success())
}

fn capture(path: &str) -> io::Result<bool> {
    let mut child = Command::new(path).stdout(Stdio::piped()).spawn()?;
    let mut out = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut out)?;
    Ok(child.wait()?.success() && !out.is_empty())
}

fn run(kind: &str, path: &str, n: usize) -> io::Result<String> {
    let spawn = if kind == "capture" { capture } else { inherit };
    let mut took = Vec::with_capacity(n);
    let begin = Instant::now();
    for _ in 0..n {
        let t = Instant::now();
        if !spawn(path)? {
            return Err(io::Error::new(io::ErrorKind::Other, "child failed"));
        }
        took.push(t.elapsed().as_nanos());
    }
    let mut reply = format!("ok\t{}", begin.elapsed().as_nanos());
    for t in took {
        reply += &format!("\t{}", t);
    }
    Ok(reply)
}

fn main() -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        let line = line?;
        let f: Vec<&str> = line.split('\t').collect();
        let reply = match f[..] {
            ["run", _, kind, path, n, _] => run(kind, path, n.parse().unwrap_or(0))
                .unwrap_or_else(|e| format!("error\t{}", e)),
            _ => "error\trequest".to_string(),
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{}", reply)?;
        out.flush()?;
    }
    Ok(())
}
