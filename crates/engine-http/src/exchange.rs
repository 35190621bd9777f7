//! One request and its answer on one connection, step by step.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::http::response::Parts;
use hyper::{Request, Response};
use weighbridge_types::time::{Clock, Stamp};

use crate::connection::Link;

/// The head of an answer, to come.
pub(crate) type ResponseFuture = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

/// A request under way.
pub(crate) struct Exchange {
    link: Link,
    stage: Stage,
    /// Whether the first write was told.
    write_told: bool,
}

enum Stage {
    Head(ResponseFuture),
    Body(Incoming),
    Over,
}

/// What happened next.
pub(crate) enum Step {
    /// The first byte went out.
    Writing(Stamp),
    /// The head of the answer came.
    Head {
        /// When.
        at: Stamp,
        /// When the last byte of the request had gone out.
        sent: Option<Stamp>,
        /// Status and headers.
        parts: Box<Parts>,
    },
    /// A part of the body came.
    Data {
        /// When its last byte was read.
        at: Stamp,
        /// The part.
        bytes: Bytes,
    },
    /// The body ended.
    End(Stamp),
    /// The connection failed.
    Broken {
        /// When that was seen.
        at: Stamp,
        /// How.
        error: hyper::Error,
    },
}

impl Exchange {
    pub(crate) fn begin(mut link: Link, request: Request<Full<Bytes>>, clock: Clock) -> Self {
        let stage = Stage::Head(link.send(request, clock));
        Self { link, stage, write_told: false }
    }

    /// Whether a byte of the answer came.
    pub(crate) fn is_answered(&self) -> bool {
        self.link.marks().lock().last_read.is_some()
    }

    /// When the last sign of life was: bytes read, or else written.
    pub(crate) fn last_activity(&self) -> Option<Stamp> {
        let marks = *self.link.marks().lock();
        marks.last_read.or(marks.last_write)
    }

    /// The connection, after the end of the body.
    pub(crate) fn into_link(self) -> Option<Link> {
        matches!(self.stage, Stage::Over).then_some(self.link)
    }

    /// Waits for the next step. Not to be polled after [`Step::End`] or [`Step::Broken`].
    pub(crate) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        // Twice: only a poll of the body makes hyper read it.
        for _ in 0..2 {
            self.link.drive(cx);
            let marks = *self.link.marks().lock();
            if let Some(at) = marks.first_write.filter(|_| !self.write_told) {
                self.write_told = true;
                return Poll::Ready(Step::Writing(at));
            }
            let polled = match &mut self.stage {
                Stage::Head(response) => response.as_mut().poll(cx).map(|response| match response {
                    Ok(response) => {
                        let (parts, body) = response.into_parts();
                        self.stage = Stage::Body(body);
                        let at = marks.last_read.unwrap_or_else(|| marks.now());
                        Step::Head { at, sent: marks.last_write, parts: Box::new(parts) }
                    }
                    Err(error) => Step::Broken { at: marks.now(), error },
                }),
                Stage::Body(body) => poll_data(body, cx).map(|data| {
                    let at = marks.last_read.unwrap_or_else(|| marks.now());
                    match data {
                        Some(Ok(bytes)) => Step::Data { at, bytes },
                        Some(Err(error)) => Step::Broken { at: marks.closed.unwrap_or_else(|| marks.now()), error },
                        None => {
                            self.stage = Stage::Over;
                            // One more turn lets the connection become ready for the next request.
                            self.link.drive(cx);
                            Step::End(marks.closed.map_or(at, |closed| closed.max(at)))
                        }
                    }
                }),
                Stage::Over => Poll::Pending,
            };
            if polled.is_ready() {
                return polled;
            }
        }
        Poll::Pending
    }
}

/// The next data of a body; trailers are passed over.
fn poll_data(body: &mut Incoming, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Bytes>>> {
    loop {
        return match std::task::ready!(Pin::new(&mut *body).poll_frame(cx)) {
            None => Poll::Ready(None),
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) => Poll::Ready(Some(Ok(bytes))),
                Err(_) => continue,
            },
        };
    }
}
