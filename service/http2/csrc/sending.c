/* Responses: what the caller submits, and what nghttp2 calls while it writes. */
#include "session.h"

#include <string.h>

#define FAILED NGHTTP2_ERR_CALLBACK_FAILURE

static h2_size read_body(nghttp2_session *h2, int32_t id, uint8_t *buffer, size_t length, uint32_t *flags,
                         nghttp2_data_source *source, void *user);

/* For nghttp2's results outside of its callbacks. Errors of a stream that is about to end are none of the caller's. */
int check_result(const Session *self, int result) {
  if (result == NGHTTP2_ERR_NOMEM || self->broken) {
    PyErr_NoMemory();
    return -1;
  }
  if (result < 0 && nghttp2_is_fatal(result)) {
    if (!PyErr_Occurred()) PyErr_Format(PyExc_RuntimeError, "nghttp2: %s", nghttp2_strerror(result));
    return -1;
  }
  return 0;
}

static int submit_fields(Session *self, Stream *stream, PyObject *headers, uint8_t flags) {
  Fields fields;
  int result = fields_parse(&fields, headers);
  if (result == 0)
    result = check_result(self, nghttp2_submit_headers(self->h2, flags, stream->id, NULL, fields.fields, fields.count, NULL));
  fields_clear(&fields);
  return result;
}

int submit_headers(Session *self, Stream *stream, PyObject *headers, bool last) {
  if (stream->responded) {
    PyErr_Format(PyExc_RuntimeError, "stream %i has its response headers already", stream->id);
    return -1;
  }
  if (submit_fields(self, stream, headers, last ? NGHTTP2_FLAG_END_STREAM : NGHTTP2_FLAG_NONE) < 0) return -1;
  stream->responded = true;
  stream->ended = last;
  return 0;
}

/* Makes nghttp2 ask for the body. */
static int start_body(Session *self, Stream *stream) {
  if (stream->started) return check_result(self, nghttp2_session_resume_data(self->h2, stream->id));
  h2_provider provider = {.source = {.ptr = stream}, .read_callback = read_body};
  if (check_result(self, h2_submit_data(self->h2, NGHTTP2_FLAG_END_STREAM, stream->id, &provider)) < 0) return -1;
  stream->started = true;
  return 0;
}

static int check_open(const Stream *stream) {
  if (stream->responded && !stream->ended) return 0;
  PyErr_Format(PyExc_RuntimeError, "stream %i has %s", stream->id, stream->ended ? "ended" : "no response headers yet");
  return -1;
}

int submit_body(Session *self, Stream *stream, PyObject *data) {
  if (check_open(stream) < 0) return -1;
  PyObject *bytes = PyBytes_CheckExact(data) ? Py_NewRef(data) : PyBytes_FromObject(data);
  if (!bytes) return -1;
  bool idle = stream->waiting == 0;
  int result = PyBytes_Size(bytes) ? stream_queue(stream, bytes) : 0;
  Py_DECREF(bytes);
  if (result < 0) return -1;
  if (stream->waiting > self->high_water) stream->above = true;
  return idle && stream->waiting ? start_body(self, stream) : 0;
}

/* Trailers do not need room in the peer's window, so they never wait behind an empty body. */
int submit_end(Session *self, Stream *stream, PyObject *trailers) {
  if (check_open(stream) < 0) return -1;
  Py_ssize_t count = PySequence_Size(trailers);
  if (count < 0) return -1;
  if (count && !stream->waiting) {
    if (submit_fields(self, stream, trailers, NGHTTP2_FLAG_END_STREAM) < 0) return -1;
  } else if (count) {
    Fields fields;
    int result = fields_parse(&fields, trailers);
    if (result == 0) stream->trailers = Py_NewRef(fields.tuple);
    fields_clear(&fields);
    if (result < 0) return -1;
  }
  stream->ended = true;
  return count || stream->waiting ? 0 : start_body(self, stream);
}

static int submit_trailers(Session *self, Stream *stream) {
  PyObject *trailers = stream->trailers;
  stream->trailers = NULL;
  int result = submit_fields(self, stream, trailers, NGHTTP2_FLAG_END_STREAM);
  Py_DECREF(trailers);
  return result;
}

/* Says how much of the body the next DATA frame has; `write_body` puts it there. */
static h2_size read_body(nghttp2_session *h2, int32_t id, uint8_t *buffer, size_t length, uint32_t *flags,
                         nghttp2_data_source *source, void *user) {
  Stream *stream = source->ptr;
  (void)h2, (void)id, (void)buffer;
  size_t size = stream->waiting < length ? stream->waiting : length;
  if (!size && !stream->ended) return NGHTTP2_ERR_DEFERRED;
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (size == stream->waiting && stream->ended) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->trailers) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      if (submit_trailers(user, stream) < 0) return FAILED;
    }
  }
  return (h2_size)size;
}

static int write_body(nghttp2_session *h2, nghttp2_frame *frame, const uint8_t *head, size_t length,
                      nghttp2_data_source *source, void *user) {
  Session *self = user;
  Stream *stream = source->ptr;
  (void)h2, (void)frame; /* without padding, since no callback asks for it */
  if (self->out.used >= self->limit) return NGHTTP2_ERR_WOULDBLOCK;
  if (output_write(&self->out, head, 9) < 0 || stream_move(stream, length, &self->out) < 0) return FAILED;
  if (!stream->above || stream->waiting > self->low_water) return 0;
  stream->above = false;
  return add_coded_event(self, WRITABLE, stream->number, 0);
}

/* A GOAWAY with an error is nghttp2's, or the caller's own. */
static void note_goaway(Session *self, const nghttp2_goaway *frame) {
  if (self->goaways) {
    self->goaways -= 1;
    return;
  }
  self->terminated = true;
  if (self->reason) return;
  size_t size = frame->opaque_data_len < sizeof self->text ? frame->opaque_data_len : sizeof self->text - 1;
  if (size) memcpy(self->text, frame->opaque_data, size);
  self->reason = size ? self->text : "the peer broke the protocol";
  self->code = frame->error_code;
}

/* Streams that end because of the peer's faults count as its resets do. */
static int before_frame_sent(nghttp2_session *h2, const nghttp2_frame *frame, void *user) {
  Session *self = user;
  if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR) {
    note_goaway(self, &frame->goaway);
  } else if (frame->hd.type == NGHTTP2_RST_STREAM) {
    Stream *stream = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
    if (stream && (stream->dropped || stream->end_sent)) return 0;
    if (frame->rst_stream.error_code == NGHTTP2_REFUSED_STREAM) count_noise(self);
    else count_reset(self);
  }
  return 0;
}

static int on_frame_sent(nghttp2_session *h2, const nghttp2_frame *frame, void *user) {
  Session *self = user;
  if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) return 0;
  self->pings.level = 0; /* clients measure the path with pings while they get data */
  self->noise.level = self->noise.level > 2 ? self->noise.level - 2 : 0; /* and open their windows */
  if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
  Stream *stream = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
  if (!stream) return 0;
  stream->end_sent = true;
  if (stream->read_ended) return 0;
  /* The answer is complete without the rest of the request. */
  return nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR) == 0 ? 0 : FAILED;
}

/* Writes the next frame to `out`. Returns 1, 0 if there is none or the session has failed, or -1. */
static int write_frame(Session *self) {
  const uint8_t *data;
  h2_size size = h2_send(self->h2, &data);
  if (size < 0) return check_result(self, (int)size);
  if (size == 0) return 0;
  return output_write(&self->out, data, (size_t)size) < 0 ? -1 : 1;
}

/* Writes frames to `out` until it has about `limit` bytes. */
int write_frames(Session *self, size_t limit) {
  int written = 1;
  self->limit = limit;
  while (written > 0 && self->out.used < limit) written = write_frame(self);
  return written < 0 ? -1 : 0;
}

/* Writes the frames that are no DATA, so that a GOAWAY that nghttp2 decided on is seen at once. */
int write_control(Session *self) {
  int written = 1;
  self->limit = self->out.used + 1; /* a DATA frame that has been begun goes first */
  while (written > 0 && !self->terminated && nghttp2_session_get_outbound_queue_size(self->h2)) written = write_frame(self);
  return written < 0 ? -1 : 0;
}

void set_sending(nghttp2_session_callbacks *callbacks) {
  nghttp2_session_callbacks_set_send_data_callback(callbacks, write_body);
  nghttp2_session_callbacks_set_before_frame_send_callback(callbacks, before_frame_sent);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
}
