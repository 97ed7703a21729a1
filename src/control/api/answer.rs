//! Answers: what status a refusal has, and rows as they come.
//!
//! Rows are never gathered: a body asks for the next ones when the connection has room for them. What fails after its first
//! rows cannot take its status back: such a body ends with `"error"`, and the connection breaks instead of ending it
//! in order, so that nobody takes a part for the whole.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::patience::Patience;
use crate::control::refusal::{Kind, Refusal};
use crate::control::request::Answer;

/// Octets of rows that are written at once.
const CHUNK: usize = 16 * 1024;
/// How long the caller may take for one chunk.
const READ_MAX: Duration = Duration::from_secs(30);
/// How long a connection may rest between two requests.
const REST_MAX: Duration = Duration::from_secs(60);

/// What each kind of refusal means to a program.
pub(super) const MEANINGS: [(Kind, &str); 8] = [
    (
        Kind::Unwanted,
        "It makes no sense as it is: a field is unknown, missing or wrong, or an instruction or reason is missing.",
    ),
    (Kind::Stranger, "Nobody has logged in."),
    (Kind::Denied, "The role or the scope of whoever asks does not allow it."),
    (Kind::Unknown, "An account, bind or operator that it names is not there, or the path is not."),
    (Kind::Conflict, "It does not fit how things stand, such as a closed account or a restricted number."),
    (Kind::TooSoon(0), "Too many wrong passwords came before; the head Retry-After says when to try again."),
    (Kind::Failed, "It was permitted and did not succeed."),
    (Kind::Unavailable, "It cannot be done now: still starting, too much under way, or it could not be recorded."),
];

/// The status of a refusal.
pub(super) const fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Unwanted => StatusCode::BAD_REQUEST,
        Kind::Stranger => StatusCode::UNAUTHORIZED,
        Kind::Denied => StatusCode::FORBIDDEN,
        Kind::Unknown => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::TooSoon(_) => StatusCode::TOO_MANY_REQUESTS,
        Kind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A refusal in whole.
pub(super) fn refused(refusal: &Refusal) -> Response {
    let mut response = failed(status(refusal.kind), &refusal.text);
    let headers = response.headers_mut();
    match refusal.kind {
        Kind::Stranger => {
            let how = HeaderValue::from_static("Basic realm=\"smppgate\", charset=\"UTF-8\"");
            headers.insert(header::WWW_AUTHENTICATE, how);
        }
        Kind::TooSoon(seconds) => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        _ => {}
    }
    response
}

/// An answer of this status that says why.
pub(super) fn failed(status: StatusCode, why: &str) -> Response {
    let mut response = whole(&json!({ "error": why }));
    *response.status_mut() = status;
    response
}

fn whole(value: &Value) -> Response {
    written(Body::from(format!("{value}\n")))
}

fn written(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Work under way: its rows, then its last answer.
pub(super) struct Work {
    pub(super) rows: mpsc::Receiver<Answer>,
    pub(super) last: JoinHandle<Answer>,
}

impl Work {
    /// The answer, as soon as it is known how it begins. With `bare`, the first row is all of it.
    pub(super) async fn answer(mut self, bare: bool, patience: Patience) -> Response {
        match self.next().await {
            Some(row) if bare => {
                drop(self.rows);
                match self.last.await {
                    Ok(Answer::Done(_)) => whole(&row),
                    other => refused(&why(other)),
                }
            }
            Some(row) => {
                let text = format!("{{\"rows\":[{row}");
                written(Body::new(Rows { work: Some(self), text, broken: false, patience }))
            }
            None => match self.last.await {
                Ok(Answer::Done(said)) => whole(&json!({ "rows": [], "said": said })),
                other => refused(&why(other)),
            },
        }
    }

    /// The next row; `None` when there are no more.
    async fn next(&mut self) -> Option<Value> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Value>> {
        loop {
            match self.rows.poll_recv(cx) {
                Poll::Pending => return Poll::Pending,
                // How far it is interests people who look; a program waits.
                Poll::Ready(Some(Answer::Row(row))) if row.get("progress").is_some() => {}
                Poll::Ready(Some(Answer::Row(row))) => return Poll::Ready(Some(row)),
                Poll::Ready(Some(Answer::Done(_) | Answer::Refused(_)) | None) => return Poll::Ready(None),
            }
        }
    }
}

/// Why something was not done that ended like this.
fn why(last: Result<Answer, tokio::task::JoinError>) -> Refusal {
    match last {
        Ok(Answer::Refused(refusal)) => refusal,
        _ => Refusal::from("it failed on the way".to_owned()),
    }
}

/// A body that is written while the work goes on.
struct Rows {
    /// `None` when all of it is in `text`.
    work: Option<Work>,
    /// What is to be written next.
    text: String,
    /// Whether the connection is to break after `text`.
    broken: bool,
    patience: Patience,
}

impl Rows {
    /// Takes rows until there is a chunk, or none comes. `false` when there is nothing to write yet.
    fn fill(&mut self, cx: &mut Context<'_>) -> bool {
        while let Some(work) = self.work.as_mut().filter(|_| self.text.len() < CHUNK) {
            match work.poll_next(cx) {
                Poll::Pending => return !self.text.is_empty(),
                Poll::Ready(Some(row)) => self.text += &format!(",\n{row}"),
                Poll::Ready(None) => match Pin::new(&mut work.last).poll(cx) {
                    Poll::Pending => return !self.text.is_empty(),
                    Poll::Ready(last) => {
                        self.work = None;
                        match last {
                            Ok(Answer::Done(said)) => self.text += &format!("],\"said\":{}}}\n", Value::from(said)),
                            other => {
                                self.broken = true;
                                self.text += &format!("],\"error\":{}}}\n", Value::from(why(other).text));
                            }
                        }
                    }
                },
            }
        }
        true
    }
}

impl hyper::body::Body for Rows {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if !self.fill(cx) {
            self.patience.ours();
            return Poll::Pending;
        }
        self.patience.theirs(READ_MAX);
        let text = std::mem::take(&mut self.text);
        Poll::Ready(match (text.is_empty(), self.broken) {
            (false, _) => Some(Ok(Frame::data(text.into()))),
            (true, true) => Some(Err(io::Error::other("the work failed after its first rows"))),
            (true, false) => None,
        })
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.patience.theirs(REST_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text(response: Response) -> Result<String, axum::Error> {
        let octets = axum::body::to_bytes(response.into_body(), 1 << 20).await?;
        Ok(String::from_utf8(octets.to_vec()).unwrap())
    }

    fn work(answers: Vec<Answer>, last: Answer) -> Work {
        let (sender, rows) = mpsc::channel(1);
        let last = tokio::spawn(async move {
            for answer in answers {
                if sender.send(answer).await.is_err() {
                    return Answer::Refused(Refusal::from("nobody reads".to_owned()));
                }
            }
            last
        });
        Work { rows, last }
    }

    fn patience() -> Patience {
        Patience::new(READ_MAX)
    }

    #[test]
    fn each_kind_has_a_status_of_its_own() {
        let mut seen: Vec<_> = MEANINGS.iter().map(|(kind, _)| status(*kind).as_u16()).collect();
        seen.sort_unstable();
        assert_eq!(seen, [400, 401, 403, 404, 409, 429, 500, 503]);
    }

    #[tokio::test]
    async fn rows_become_one_object_whatever_their_number() {
        for count in [0_u64, 1, 2, 5000] {
            let mut answers: Vec<_> =
                (0..count).map(|row| Answer::row(&json!({ "row": row, "x": "y".repeat(9) }))).collect();
            answers.insert(answers.len() / 2, Answer::Row(json!({ "progress": 1 })));
            let answer = work(answers, Answer::Done("all".into())).answer(false, patience()).await;
            assert_eq!(answer.status(), 200);
            let value: Value = serde_json::from_str(&text(answer).await.unwrap()).unwrap();
            assert_eq!((value["rows"].as_array().unwrap().len() as u64, &value["said"]), (count, &json!("all")));
        }
        let bare = work(vec![Answer::Row(json!({ "a": 1 }))], Answer::Done("x".into())).answer(true, patience()).await;
        assert_eq!(text(bare).await.unwrap(), "{\"a\":1}\n");
    }

    #[tokio::test]
    async fn a_refusal_has_its_status_and_a_late_one_breaks_the_body() {
        let late = || Answer::Refused(Refusal::conflict("no"));
        let answer = work(vec![Answer::Row(json!({ "progress": 1 }))], late()).answer(false, patience()).await;
        assert_eq!(answer.status(), 409);
        assert_eq!(text(answer).await.unwrap(), "{\"error\":\"no\"}\n");
        let answer = work(vec![Answer::Row(json!(1))], late()).answer(false, patience()).await;
        assert_eq!(answer.status(), 200);
        assert!(text(answer).await.is_err(), "a part is not taken for the whole");
        let slow = refused(&Refusal::new(Kind::TooSoon(7), "wait"));
        assert_eq!((slow.status().as_u16(), slow.headers()[header::RETRY_AFTER].to_str().unwrap()), (429, "7"));
        assert!(refused(&Refusal::new(Kind::Stranger, "who?")).headers().contains_key(header::WWW_AUTHENTICATE));
    }
}
