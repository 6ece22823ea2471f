use super::*;

#[tokio::test]
async fn who_says_nothing_is_gone() {
    let (sender, _body) = Channel::<Bytes>::new(WAITING);
    let requests = Requests {
        sender: Some(sender),
        wanted: None,
    };
    let mut silence = futures_util::stream::pending::<Result<Message, ()>>();
    let code = hear(&mut silence, requests, Duration::from_millis(10)).await;
    assert_eq!(code, CloseCode::Away);
}
