//! The file for nginx.

use std::fmt::Write as _;

use crate::arguments::{NginxArguments, Upstream};

/// Servers where none is named: instances of one machine.
const USUAL: [(u16, u8); 3] = [(8701, 3), (8702, 3), (8703, 2)];

/// What nginx keeps in files beside the bodies of requests; each kind wants a folder, even one that is not used.
const TEMPORARY: [&str; 5] = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/// What holds for every request.
const PROXY: &str = "    client_max_body_size 8m;

    proxy_http_version 1.1;
    proxy_set_header Host $host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    # Connections to the servers are kept: what a client says of its own does not reach them.
    proxy_set_header Connection \"\";

    proxy_connect_timeout 10s;
    proxy_send_timeout 60s;
    proxy_read_timeout 60s;

    # Each token goes on as it comes.
    proxy_buffering off;

    # Another server is asked when one cannot be reached. A POST that was sent goes to no second one, as `non_idempotent` is not
    # named: nothing is computed twice.
    proxy_next_upstream error timeout http_502 http_503;

";

/// The file that the arguments ask for.
pub(super) fn file(arguments: &NginxArguments) -> String {
    let parts = format!("{}\n{}", upstream(&arguments.server), server(arguments));
    match &arguments.prefix {
        Some(prefix) if arguments.standalone => whole(&prefix.to_string(), &parts),
        _ => format!("# Written by `weighbridge config nginx`: a file for conf.d.\n\n{parts}"),
    }
}

fn upstream(named: &[Upstream]) -> String {
    let usual = || USUAL.map(|(port, weight)| Upstream::local(port, weight)).to_vec();
    let servers = if named.is_empty() { usual() } else { named.to_vec() };
    // The zone lets all workers count together.
    let mut text = "upstream weighbridge {\n    zone weighbridge 64k;\n    least_conn;\n".to_owned();
    for server in servers {
        let (address, weight) = (server.address(), server.weight());
        let _ = writeln!(text, "    server {address} weight={weight} max_fails=3 fail_timeout=30s;");
    }
    text + "    keepalive 32;\n}\n"
}

fn server(arguments: &NginxArguments) -> String {
    let mut text = format!("server {{\n    listen {};\n    server_name _;\n{PROXY}", arguments.listen);
    for (path, more) in [("/v1/", true), ("/api/", true), ("/", false)] {
        // A model may think for minutes before its first token.
        let patience = if more { "        proxy_read_timeout 300s;\n" } else { "" };
        let _ = write!(text, "    location {path} {{\n        proxy_pass http://weighbridge;\n{patience}    }}\n");
    }
    text + "}\n"
}

/// A whole file, for an nginx that is started by whoever wrote it.
fn whole(prefix: &str, parts: &str) -> String {
    let mut text = format!(
        "# Written by `weighbridge config nginx --standalone`: nginx -p {prefix} -e {prefix}/error.log -c FILE\n\n\
         worker_processes auto;\ndaemon off;\npid {prefix}/nginx.pid;\nerror_log {prefix}/error.log;\n\n\
         events {{\n    worker_connections 1024;\n}}\n\nhttp {{\n    access_log off;\n    server_tokens off;\n"
    );
    for kind in TEMPORARY {
        let _ = writeln!(text, "    {kind}_temp_path {prefix}/{kind};");
    }
    for line in parts.lines() {
        let indent = if line.is_empty() { "" } else { "    " };
        let _ = write!(text, "\n{indent}{line}");
    }
    text + "\n}\n"
}
