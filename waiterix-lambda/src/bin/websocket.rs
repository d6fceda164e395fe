//! The function behind the WebSocket API.

use std::process::ExitCode;

fn main() -> ExitCode {
    waiterix_lambda::run(waiterix_lambda::websocket::WebSocket::new)
}
