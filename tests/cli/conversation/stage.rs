//! An environment without a cluster: scripted helm and kubectl on `PATH`, a kubeconfig, and a server that knows a few
//! paths.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use mural_tests::{plugins, scripted};
use tempfile::TempDir;

/// A secret that every conversation has somewhere; it may appear nowhere.
pub const CANARY: &str = "canary-7f3a";

/// Scripted programs and files around one conversation.
pub struct Stage {
    dir: TempDir,
    env: Vec<(String, OsString)>,
}

/// What a conversation came to.
pub struct CommandOutput {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Stage {
    /// helm 4.3.1, kubectl 1.37.2, and a kubeconfig whose server is not there.
    pub fn new() -> Self {
        let stage = Self { dir: tempfile::tempdir().expect("a folder"), env: Vec::new() };
        stage.script("helm", "printf v4.3.1");
        stage.kubectl("v1.37.2");
        let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        stage.kubeconfig(&format!("https://{closed}"));
        stage.file("values.yaml", format!("canvas:\n  password: {CANARY}\n"));
        stage
    }

    /// As [`Stage::new`], with an API server that answers.
    pub fn with_server() -> Self {
        let stage = Self::new();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        stage.kubeconfig(&format!("http://{}", listener.local_addr().expect("its address")));
        // Ends with the process; a conversation takes a moment only.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || serve(&stream));
            }
        });
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file and gives its path.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("its folder");
        std::fs::write(&path, text).expect(name);
        path
    }

    /// A program on `PATH` that notes its arguments and then runs these lines.
    pub fn script(&self, name: &str, lines: &str) {
        let text = format!("printf '%s\\n' \"{name} $*\" >> '{}'\n{lines}\n", self.path("calls").display());
        scripted::write_program(&self.path("bin").join(name), &text).expect(name);
    }

    /// A kubectl of this version.
    pub fn kubectl(&self, version: &str) {
        self.script("kubectl", &format!(r#"printf '{{"clientVersion": {{"gitVersion": "{version}"}}}}'"#));
    }

    /// Takes a program off `PATH`.
    pub fn without(&self, name: &str) {
        std::fs::remove_file(self.path("bin").join(name)).expect(name);
    }

    pub fn env(&mut self, name: &str, value: impl Into<OsString>) {
        self.env.push((name.to_owned(), value.into()));
    }

    fn kubeconfig(&self, server: &str) {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
             clusters: [{{name: here, cluster: {{server: '{server}'}}}}]\n\
             users: [{{name: me, user: {{token: {CANARY}-token}}}}]\n\
             contexts: [{{name: here, context: {{cluster: here, user: me}}}}]\n"
        );
        self.file("kubeconfig", text);
    }

    /// Runs one of our programs with nothing on its standard input.
    pub fn run(&self, program: &str, args: &[&str]) -> CommandOutput {
        let program = plugins::folder().expect("our own programs").join(program);
        let mut command = Command::new(program);
        command.env_clear().env("PATH", self.path("bin")).env("HOME", self.dir.path()).env("LANG", "C.UTF-8");
        command.env("KUBECONFIG", self.path("kubeconfig")).current_dir(self.dir.path());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        to_command_output(command.args(args).stdin(Stdio::null()).output().expect("it starts"))
    }

    /// What helm and kubectl were called with, in order.
    pub fn calls(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }
}

fn to_command_output(output: Output) -> CommandOutput {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    CommandOutput {
        code: output.status.code().expect("it ended by itself"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Answers one request as an API server on which nothing is installed would.
fn serve(stream: &TcpStream) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    // Bodies are small and need no reading: the answer closes the connection.
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let path = request.split_whitespace().nth(1).unwrap_or_default();
    let (status, body) = match path.split('?').next().unwrap_or_default() {
        "/version" => ("200 OK", r#"{"gitVersion":"v1.37.2","major":"1","minor":"37"}"#),
        "/api/v1/namespaces/kube-system" | "/api/v1/namespaces/mural-system" => {
            ("200 OK", r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"kube-system","uid":"uid-1"}}"#)
        }
        "/apis" => ("200 OK", r#"{"kind":"APIGroupList","apiVersion":"v1","groups":[]}"#),
        "/api" => ("200 OK", r#"{"kind":"APIVersions","versions":["v1"]}"#),
        _ => (
            "404 Not Found",
            r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","message":"not here","code":404}"#,
        ),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = stream;
    let _ = stream.write_all((head + body).as_bytes());
}
