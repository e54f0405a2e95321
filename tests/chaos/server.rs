//! A database server that nothing else uses, so that it can crash.

use crate::common::Store;
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// One that was installed for the tests and runs in a folder of its own.
pub struct Server {
    backend: &'static str,
    dir: TempDir,
    port: u16,
    process: Option<Child>,
}

impl Server {
    pub fn start(backend: &'static str) -> Server {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Server { backend, dir, port, process: None };
        done(Command::new("chown").arg(server.user()).arg(server.dir.path()));
        let data = server.path("data");
        match backend {
            "postgresql" => {
                std::fs::write(server.path("password"), "secret\n").unwrap();
                done(Command::new("chown").arg(server.user()).arg(server.path("password")));
                let mut initdb = server.as_user(&postgresql("initdb"));
                initdb.args(["-N", "-U", "amx", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "-D"]).arg(&data);
                done(initdb.arg("--pwfile").arg(server.path("password")));
            }
            _ => {
                let mut install = server.as_user(Path::new("mariadb-install-db"));
                install.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]);
                done(install.arg(format!("--datadir={}", data.display())));
            }
        }
        server.run();
        server.prepare();
        server
    }

    /// A store on it.
    pub fn store(&self) -> Store {
        Store::at(self.backend, format!("{}://amx:secret@127.0.0.1:{}/analytics", self.backend, self.port))
    }

    /// Lets it crash and start again.
    pub fn restart(&mut self) {
        // What PostgreSQL's `stop -m immediate` sends; MariaDB has no such word.
        self.end(if self.backend == "postgresql" { "QUIT" } else { "KILL" });
        self.run();
    }

    /// Ends all sessions but its own.
    pub fn end_sessions(&self) {
        match self.backend {
            "postgresql" => {
                self.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'amx' AND pid <> pg_backend_pid()")
            }
            _ => self.admin("KILL USER amx"),
        };
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Whom it runs as: servers refuse to be root.
    fn user(&self) -> &'static str {
        match (std::fs::metadata("/proc/self").unwrap().uid(), self.backend) {
            (0, "postgresql") => "postgres",
            (0, _) => "mysql",
            _ => ".",
        }
    }

    fn as_user(&self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        if self.user() != "." {
            command.args([format!("--reuid={}", self.user()), format!("--regid={}", self.user()), "--init-groups".into()]);
        }
        command.arg("--").arg(program).current_dir(self.dir.path()).env("HOME", self.dir.path()).stdin(Stdio::null());
        command
    }

    fn run(&mut self) {
        let mut command = match self.backend {
            "postgresql" => {
                let mut command = self.as_user(&postgresql("postgres"));
                command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-c", "fsync=off", "-k"]).arg(self.dir.path());
                command.arg("-D").arg(self.path("data"));
                command
            }
            _ => {
                let mut command = self.as_user(Path::new("/usr/sbin/mariadbd"));
                command.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--innodb-flush-method=nosync"]);
                command.args(["--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci", "--innodb-buffer-pool-size=64M"]);
                command.arg(format!("--port={}", self.port)).arg(format!("--socket={}", self.path("socket").display()));
                command.arg(format!("--datadir={}", self.path("data").display()));
                command
            }
        };
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        self.process = Some(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
        let until = Instant::now() + Duration::from_secs(60);
        while !self.try_admin("SELECT 1") {
            assert!(Instant::now() < until, "the server does not start: {}", std::fs::read_to_string(self.path("log")).unwrap());
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    fn prepare(&self) {
        match self.backend {
            "postgresql" => self.admin("CREATE DATABASE analytics"),
            _ => self.admin("CREATE DATABASE analytics; CREATE USER amx IDENTIFIED BY 'secret'; GRANT ALL ON *.* TO amx WITH GRANT OPTION"),
        }
    }

    fn admin(&self, sql: &str) {
        assert!(self.try_admin(sql), "{}: {sql}", self.backend);
    }

    fn try_admin(&self, sql: &str) -> bool {
        let mut command = match self.backend {
            "postgresql" => {
                let mut command = Command::new("psql");
                command.env("PGPASSWORD", "secret").args(["-Xq", "-U", "amx", "-d", "postgres", "-p", &self.port.to_string(), "-c", sql]);
                command.arg("-h").arg(self.dir.path());
                command
            }
            _ => {
                let mut command = Command::new("mariadb");
                command.arg("--no-defaults").arg(format!("--socket={}", self.path("socket").display())).args(["--user=root", "-e", sql]);
                command
            }
        };
        command.stdin(Stdio::null()).output().unwrap().status.success()
    }

    fn end(&mut self, signal: &str) {
        let Some(mut process) = self.process.take() else { return };
        let _ = Command::new("kill").args(["-s", signal, &process.id().to_string()]).status();
        process.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end(if self.backend == "postgresql" { "QUIT" } else { "KILL" });
    }
}

/// A program of the newest PostgreSQL that is installed.
fn postgresql(program: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap().map(|entry| entry.unwrap().path());
    versions.max().unwrap().join("bin").join(program)
}

#[track_caller]
fn done(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
