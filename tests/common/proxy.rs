//! A line to a server that can be cut, slow, deaf or refused, that can lead to another server, and that can kill the client at its end.

use super::Store;
use super::chance::Chance;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI64, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A proxy in front of a server. It counts what clients send and cuts the line where it was told to.
#[derive(Clone)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

/// How a line behaves until it is told otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Weather {
    /// It carries what it is given.
    #[default]
    Fair,
    /// Who connects is hung up on.
    Refused,
    /// Each packet takes so long, both ways.
    Slow(Duration),
    /// What the client sends arrives; where the server answers, its half of the line is closed instead.
    Deaf,
    /// Of a hundred answers so many are lost with the line: what they answer was done.
    Forgetful(u8),
}

/// What befalls a line at one of its messages.
pub enum Fate {
    /// The client is killed when the message is on its way to the server.
    Killed,
    /// The line is cut and the message lost.
    Cut,
    /// The message arrives, and the line is cut where the server answers it.
    Unanswered,
    /// The message arrives, and for so long no answer comes on any line.
    Held(Duration),
    /// Something is done before the message is passed on.
    After(Box<dyn FnOnce() + Send>),
}

/// A fate that waits for its message.
struct Trap {
    /// How many more messages there are to it, itself among them.
    left: i64,
    /// Words that a message must have to be counted.
    mark: &'static [u8],
    fate: Fate,
}

#[derive(Default)]
struct State {
    /// The server's port.
    server: AtomicU16,
    weather: Mutex<Weather>,
    /// Made when it is first asked.
    chance: Mutex<Option<Chance>>,
    /// The client's end and the server's of each line that is open, by its number.
    lines: Mutex<BTreeMap<u64, [TcpStream; 2]>>,
    count: AtomicU64,
    /// Bytes that clients sent.
    sent: AtomicU64,
    /// How many more bytes they may send before the line is cut.
    left: AtomicI64,
    /// How many more times it is to be cut, each after so many bytes.
    cuts: AtomicI64,
    every: AtomicI64,
    /// Messages that clients sent.
    messages: AtomicU64,
    trap: Mutex<Option<Trap>>,
    /// The client that a trap kills, once it is known.
    client: AtomicU32,
    /// The lines whose next answer is lost with them.
    unanswered: Mutex<BTreeSet<u64>>,
    /// Until when no answer comes.
    held: Mutex<Option<Instant>>,
}

impl Proxy {
    /// A proxy in front of the store's server that cuts nothing yet.
    pub fn to(store: &Store) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let state = proxy.state.clone();
        proxy.lead_to(store.port());
        thread::spawn(move || {
            for client in listener.incoming() {
                if *state.weather.lock().unwrap() == Weather::Refused {
                    continue;
                }
                let server = TcpStream::connect(("127.0.0.1", state.server.load(Ordering::SeqCst)));
                let (Ok(client), Ok(server)) = (client, server) else { continue };
                for stream in [&client, &server] {
                    // Its other end may be gone already.
                    let _ = stream.set_nodelay(true);
                }
                let (back, forth) = ((server.try_clone().unwrap(), client.try_clone().unwrap()), (client, server));
                let line = state.count.fetch_add(1, Ordering::SeqCst);
                let ends = [forth.0.try_clone().unwrap(), forth.1.try_clone().unwrap()];
                state.lines.lock().unwrap().insert(line, ends);
                let (state, other) = (state.clone(), state.clone());
                thread::spawn(move || {
                    state.carry(line, forth.0, forth.1, true);
                    state.lines.lock().unwrap().remove(&line);
                });
                thread::spawn(move || other.carry(line, back.0, back.1, false));
            }
        });
        proxy
    }

    /// Cuts the line after so many bytes from the client, and so many times again, each after as many more.
    pub fn cut(&self, after: u64, times: i64) {
        self.state.sent.store(0, Ordering::SeqCst);
        self.state.every.store(after as i64, Ordering::SeqCst);
        self.state.left.store(after as i64, Ordering::SeqCst);
        self.state.cuts.store(times, Ordering::SeqCst);
    }

    /// Lets a client of this line send so many messages, over however many connections, and kills it when the last of them is on its way to
    /// the server. `start` starts it.
    pub fn kill_after(&self, messages: i64, start: impl FnOnce() -> Child) -> Child {
        self.state.client.store(0, Ordering::SeqCst);
        self.at_message(messages, b"", Fate::Killed);
        let client = start();
        self.state.client.store(client.id(), Ordering::SeqCst);
        client
    }

    /// Lets a fate befall the line at the so many-th message from now that has those words in it.
    pub fn at_message(&self, messages: i64, mark: &'static [u8], fate: Fate) {
        *self.state.trap.lock().unwrap() = Some(Trap { left: messages, mark, fate });
    }

    /// Lets nothing more befall it. Whether something was still to come.
    pub fn spare(&self) -> bool {
        *self.state.held.lock().unwrap() = None;
        self.state.trap.lock().unwrap().take().is_some()
    }

    /// Leads who connects from now on to the server on that port.
    pub fn lead_to(&self, port: u16) {
        self.state.server.store(port, Ordering::SeqCst);
    }

    /// The port that it leads to.
    pub fn leads_to(&self) -> u16 {
        self.state.server.load(Ordering::SeqCst)
    }

    /// How many messages clients sent so far.
    pub fn messages(&self) -> u64 {
        self.state.messages.load(Ordering::SeqCst)
    }

    /// Makes it behave so from now on, also the lines that are open.
    pub fn weather(&self, weather: Weather) {
        *self.state.weather.lock().unwrap() = weather;
    }

    /// Cuts every line that is open now.
    pub fn cut_all(&self) {
        for end in self.state.lines.lock().unwrap().values().flatten() {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// How many bytes clients sent since [`Proxy::cut`].
    pub fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::SeqCst)
    }

    /// How many cuts are still to come.
    pub fn cuts_left(&self) -> i64 {
        self.state.cuts.load(Ordering::SeqCst)
    }

    /// The store's URL through this line.
    pub fn url(&self, store: &Store) -> String {
        let (place, _) = port_of(&store.url);
        let mut url = store.url.clone();
        url.replace_range(place, &self.port.to_string());
        url
    }
}

/// Where in a URL the server's port is, after its address or by its name, and which it is.
fn port_of(url: &str) -> (Range<usize>, u16) {
    let after = ["127.0.0.1:", "127.0.0.1%3A", "port="].iter().find_map(|mark| url.find(mark).map(|at| at + mark.len()));
    let start = after.unwrap_or_else(|| panic!("no port in {url}"));
    let end = url[start..].find(|c: char| !c.is_ascii_digit()).map_or(url.len(), |length| start + length);
    (start..end, url[start..end].parse().unwrap())
}

impl Store {
    /// Its server's port.
    pub fn port(&self) -> u16 {
        port_of(&self.url).1
    }
}

impl State {
    fn carry(&self, line: u64, mut from: TcpStream, mut to: TcpStream, counted: bool) {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let fate = if counted { self.fate(&buffer[..read]) } else { None };
            let is_killed = matches!(fate, Some(Fate::Killed));
            match fate {
                Some(Fate::Cut) => break,
                Some(Fate::Unanswered) => drop(self.unanswered.lock().unwrap().insert(line)),
                Some(Fate::Held(time)) => *self.held.lock().unwrap() = Some(Instant::now() + time),
                Some(Fate::Killed | Fate::After(_)) | None => {}
            }
            if counted && self.is_cut(read) {
                break;
            }
            if !counted && self.unanswered.lock().unwrap().remove(&line) {
                break;
            }
            while !counted && self.held.lock().unwrap().is_some_and(|until| Instant::now() < until) {
                thread::sleep(Duration::from_millis(5));
            }
            let weather = *self.weather.lock().unwrap();
            match weather {
                Weather::Deaf if !counted => {
                    let _ = (from.shutdown(Shutdown::Read), to.shutdown(Shutdown::Write));
                    return;
                }
                Weather::Forgetful(percent) if !counted && self.is_forgotten(percent) => break,
                Weather::Slow(pause) => thread::sleep(pause),
                _ => {}
            }
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
            if is_killed {
                self.kill();
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }

    fn is_forgotten(&self, percent: u8) -> bool {
        self.chance.lock().unwrap().get_or_insert_with(Chance::new).percent(percent.into())
    }

    /// Counts a message; what befalls the line at it.
    fn fate(&self, message: &[u8]) -> Option<Fate> {
        self.messages.fetch_add(1, Ordering::SeqCst);
        let mut trap = self.trap.lock().unwrap();
        let waiting = trap.as_mut()?;
        if waiting.mark.is_empty() || message.windows(waiting.mark.len()).any(|words| words == waiting.mark) {
            waiting.left -= 1;
        }
        if waiting.left > 0 {
            return None;
        }
        match trap.take()?.fate {
            // Whoever asks meanwhile whether it came waits for its end.
            Fate::After(work) => {
                work();
                None
            }
            fate => Some(fate),
        }
    }

    fn kill(&self) {
        let client = loop {
            match self.client.load(Ordering::SeqCst) {
                0 => thread::yield_now(),
                client => break client,
            }
        };
        // After its farewell it may have ended by itself.
        let _ = Command::new("kill").args(["-s", "KILL", &client.to_string()]).stderr(Stdio::null()).status();
    }

    /// Counts; what would go over the limit is lost with the line.
    fn is_cut(&self, read: usize) -> bool {
        self.sent.fetch_add(read as u64, Ordering::SeqCst);
        if self.cuts.load(Ordering::SeqCst) <= 0 || self.left.fetch_sub(read as i64, Ordering::SeqCst) > read as i64 {
            return false;
        }
        self.left.store(self.every.load(Ordering::SeqCst), Ordering::SeqCst);
        self.cuts.fetch_sub(1, Ordering::SeqCst);
        true
    }
}
