//! Asking over protocols that are not HTTP: the first words of a client, and what a server of use says
//! to them.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest answer that is looked at.
const LONGEST: usize = 64 << 10;

/// PostgreSQL's protocol 3.0, by its two halves.
const POSTGRES_VERSION: [u8; 4] = [0, 3, 0, 0];
/// The error of a server that starts, stops or recovers: `cannot_connect_now`.
const POSTGRES_STARTING: &[u8] = b"C57P03\0";
/// The header of AMQP 0-9-1.
const AMQP_HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";
/// What a broker says to that: a method frame of channel 0 …
const AMQP_METHOD: [u8; 3] = [1, 0, 0];
/// … whose method is Connection.Start.
const AMQP_START: [u8; 4] = [0, 10, 0, 10];
/// Kafka's request for the versions that a broker understands, and a number to know the answer by.
const KAFKA_API_VERSIONS: i16 = 18;
const KAFKA_CORRELATION: i32 = 0x6d73_7663;

/// Asks to log in: a server that asks back for a password, or says who may not, is of use.
pub(super) async fn postgres(address: &str) -> Result<(), String> {
    let mut message = POSTGRES_VERSION.to_vec();
    message.extend(b"user\0postgres\0\0");
    let length = u32::try_from(message.len() + 4).expect("it is short");
    let hello = [&length.to_be_bytes(), &message[..]].concat();
    let mut stream = say(address, &hello).await?;
    let kind = read(&mut stream, 1).await?[0];
    if !b"RE".contains(&kind) {
        return Err("it does not answer as PostgreSQL does".to_owned());
    }
    let length = read(&mut stream, 4).await?;
    let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
    let rest = read(&mut stream, length.saturating_sub(4)).await?;
    match kind == b'E' && contains(&rest, POSTGRES_STARTING) {
        true => Err("it is starting up".to_owned()),
        false => Ok(()),
    }
}

/// Pings: who wants a password works as well; who still loads its data does not.
pub(super) async fn redis(address: &str) -> Result<(), String> {
    let mut stream = say(address, b"PING\r\n").await?;
    let line = line(&mut stream).await?;
    match line.as_str() {
        "+PONG" => Ok(()),
        line if line.starts_with("-NOAUTH") => Ok(()),
        line if line.starts_with("-LOADING") => Err("it is loading its data".to_owned()),
        line => Err(format!("it answers {line}")),
    }
}

/// Connects and pings.
pub(super) async fn nats(address: &str) -> Result<(), String> {
    let hello = b"CONNECT {\"verbose\":false,\"lang\":\"msvc\",\"version\":\"0\"}\r\nPING\r\n";
    let mut stream = say(address, hello).await?;
    let info = line(&mut stream).await?;
    if !info.starts_with("INFO ") {
        return Err("it does not answer as NATS does".to_owned());
    }
    match line(&mut stream).await?.as_str() {
        "PONG" => Ok(()),
        other => Err(format!("it answers {other}")),
    }
}

/// Says which AMQP it speaks; the broker begins the connection.
pub(super) async fn rabbitmq(address: &str) -> Result<(), String> {
    let mut stream = say(address, AMQP_HEADER).await?;
    let frame = read(&mut stream, 11).await?;
    match frame[..3] == AMQP_METHOD && frame[7..] == AMQP_START {
        true => Ok(()),
        false => Err("it does not answer as AMQP 0-9-1 does".to_owned()),
    }
}

/// Asks for the versions that it understands.
pub(super) async fn kafka(address: &str) -> Result<(), String> {
    const CLIENT: &[u8] = b"msvc";
    let mut request = Vec::new();
    request.extend(KAFKA_API_VERSIONS.to_be_bytes());
    request.extend(0i16.to_be_bytes());
    request.extend(KAFKA_CORRELATION.to_be_bytes());
    request.extend((CLIENT.len() as i16).to_be_bytes());
    request.extend(CLIENT);
    let length = i32::try_from(request.len()).expect("it is short");
    let hello = [&length.to_be_bytes(), &request[..]].concat();
    let mut stream = say(address, &hello).await?;
    let answer = read(&mut stream, 10).await?;
    let is_ours = answer[4..8] == KAFKA_CORRELATION.to_be_bytes();
    match (is_ours, &answer[8..]) {
        (true, [0, 0]) => Ok(()),
        (true, code) => Err(format!("it answers with error {}", code[1])),
        (false, _) => Err("it does not answer as Kafka does".to_owned()),
    }
}

/// Connects and speaks first.
async fn say(address: &str, words: &[u8]) -> Result<TcpStream, String> {
    let mut stream = TcpStream::connect(address).await.map_err(told)?;
    stream.write_all(words).await.map_err(told)?;
    Ok(stream)
}

async fn read(stream: &mut TcpStream, length: usize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; length.min(LONGEST)];
    stream.read_exact(&mut bytes).await.map_err(told)?;
    Ok(bytes)
}

/// A line without its end.
async fn line(stream: &mut TcpStream) -> Result<String, String> {
    let mut line = Vec::new();
    loop {
        match stream.read_u8().await.map_err(told)? {
            b'\n' => break,
            byte => line.push(byte),
        }
        if line.len() > LONGEST {
            return Err("its answer has no end".to_owned());
        }
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// The engine takes a connection before anything listens behind it, and then closes it.
fn told(error: io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens on its port".to_owned(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
            "it does not listen yet".to_owned()
        }
        _ => error.to_string(),
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A server that reads something and says this, then holds the connection open.
    async fn server(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let _ = stream.read(&mut [0; 256]).await;
            let _ = stream.write_all(answer).await;
            let _ = stream.read(&mut [0; 256]).await;
        });
        address
    }

    fn problem(text: &str) -> Result<(), String> {
        Err(text.to_owned())
    }

    #[tokio::test]
    async fn postgres_is_of_use_once_it_asks_who_is_there() {
        let ask = b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0";
        assert_eq!(postgres(&server(ask).await).await, Ok(()));
        let starting = b"E\0\0\0\x13SFATAL\0C57P03\0\0";
        let expected = problem("it is starting up");
        assert_eq!(postgres(&server(starting).await).await, expected);
        let other = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        let expected = problem("it does not answer as PostgreSQL does");
        assert_eq!(postgres(&server(other).await).await, expected);
    }

    #[tokio::test]
    async fn redis_is_of_use_once_it_has_loaded_its_data() {
        assert_eq!(redis(&server(b"+PONG\r\n").await).await, Ok(()));
        let secured = b"-NOAUTH Authentication required.\r\n";
        assert_eq!(redis(&server(secured).await).await, Ok(()));
        let loading = b"-LOADING Redis is loading the dataset in memory\r\n";
        let expected = problem("it is loading its data");
        assert_eq!(redis(&server(loading).await).await, expected);
    }

    #[tokio::test]
    async fn nats_is_of_use_once_it_answers_a_ping() {
        let fine = b"INFO {\"server_id\":\"a\"}\r\nPONG\r\n";
        assert_eq!(nats(&server(fine).await).await, Ok(()));
        let refused = b"INFO {}\r\n-ERR 'Authorization Violation'\r\n";
        let expected = problem("it answers -ERR 'Authorization Violation'");
        assert_eq!(nats(&server(refused).await).await, expected);
    }

    #[tokio::test]
    async fn rabbitmq_is_of_use_once_it_begins_a_connection() {
        let start = b"\x01\0\0\0\0\x01\x05\0\x0a\0\x0a\0\x09";
        assert_eq!(rabbitmq(&server(start).await).await, Ok(()));
        let other_version = b"AMQP\0\x01\0\0\0\0\0";
        let expected = problem("it does not answer as AMQP 0-9-1 does");
        assert_eq!(rabbitmq(&server(other_version).await).await, expected);
    }

    #[tokio::test]
    async fn kafka_is_of_use_once_it_tells_its_versions() {
        let fine = b"\0\0\0\x0amsvc\0\0\0\0\0\0";
        assert_eq!(kafka(&server(fine).await).await, Ok(()));
        let error = b"\0\0\0\x0amsvc\0\x23\0\0\0\0";
        let expected = problem("it answers with error 35");
        assert_eq!(kafka(&server(error).await).await, expected);
        let stranger = b"\0\0\0\x0aother\0\0\0\0\0";
        let expected = problem("it does not answer as Kafka does");
        assert_eq!(kafka(&server(stranger).await).await, expected);
    }

    #[tokio::test]
    async fn a_port_that_is_open_is_not_enough() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let close = async { drop(listener.accept().await.expect("a client")) };
        let (answer, ()) = tokio::join!(redis(&address), close);
        assert_eq!(answer, problem("it does not listen yet"));
        drop(listener);
        let expected = problem("nothing listens on its port");
        assert_eq!(redis(&address).await, expected);
    }
}
