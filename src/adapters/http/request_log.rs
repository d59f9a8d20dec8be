//! One line a request, at the level of what it means to the operator: health checks and reads would drown
//! the rest of the journal.

use std::time::Duration;

use poem::http::{Method, StatusCode};
use tracing::Level;

/// Writes the line of a request that was answered with `status`.
pub fn write(method: &Method, path: &str, status: StatusCode, took: Duration, actor: &str) {
    // The level of a line must be a constant.
    macro_rules! line {
        ($level:expr) => {
            tracing::event!(
                $level,
                %method,
                path,
                status = status.as_u16(),
                milliseconds = took.as_millis(),
                actor,
                "request"
            )
        };
    }
    match level(method, status) {
        Level::ERROR => line!(Level::ERROR),
        Level::WARN => line!(Level::WARN),
        Level::INFO => line!(Level::INFO),
        _ => line!(Level::DEBUG),
    }
}

fn level(method: &Method, status: StatusCode) -> Level {
    match status {
        _ if status.is_server_error() => Level::ERROR,
        // Somebody without the key, or a page that is not ours.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Level::WARN,
        _ if status.is_client_error() => Level::INFO,
        _ if *method == Method::GET || *method == Method::HEAD => Level::DEBUG,
        _ => Level::INFO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_that_went_well_are_for_debugging_and_all_else_is_told() {
        for (method, status, expected) in [
            (Method::GET, 200, Level::DEBUG),
            (Method::HEAD, 200, Level::DEBUG),
            (Method::GET, 304, Level::DEBUG),
            (Method::GET, 404, Level::INFO),
            (Method::POST, 201, Level::INFO),
            (Method::PUT, 200, Level::INFO),
            (Method::DELETE, 204, Level::INFO),
            (Method::POST, 303, Level::INFO),
            (Method::PUT, 422, Level::INFO),
            (Method::GET, 401, Level::WARN),
            (Method::POST, 403, Level::WARN),
            (Method::GET, 503, Level::ERROR),
            (Method::POST, 500, Level::ERROR),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(level(&method, status), expected, "{method} {status}");
        }
    }
}
