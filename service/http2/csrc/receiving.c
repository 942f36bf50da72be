/* What nghttp2 calls while it reads: frames become events. */
#include "session.h"

#include <string.h>

#define MOST_UNTAKEN (1 << 20) /* bytes that may wait in `out` while the caller cannot write */
#define FAILED NGHTTP2_ERR_CALLBACK_FAILURE /* with a Python exception, or with `reason` set */

/* Steals nothing. `fourth` may be NULL. */
int add_event(Session *self, enum event kind, PyObject *number, PyObject *third, PyObject *fourth) {
  PyObject *name = self->module->kinds[kind];
  PyObject *event = fourth ? PyTuple_Pack(4, name, number, third, fourth) : PyTuple_Pack(3, name, number, third);
  int result = event ? PyList_Append(self->events, event) : -1;
  Py_XDECREF(event);
  return result < 0 ? FAILED : 0;
}

int add_coded_event(Session *self, enum event kind, PyObject *number, uint32_t code) {
  PyObject *third = PyLong_FromUnsignedLong(code);
  int result = third ? add_event(self, kind, number, third, NULL) : FAILED;
  Py_XDECREF(third);
  return result;
}

/* Hands out the last chunk of DATA, now that it is known whether the stream ends with it. */
int flush_held(Session *self, bool ended) {
  PyObject *data = self->held;
  self->held = NULL;
  Stream *stream = stream_find(self, self->held_stream);
  int result = data && stream ? add_event(self, DATA, stream->number, data, ended ? Py_True : Py_False) : 0;
  Py_XDECREF(data);
  return result;
}

static int on_begin_frame(nghttp2_session *h2, const nghttp2_frame_hd *head, void *user) {
  (void)h2;
  return count_frame(user, head);
}

static int on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *user) {
  Session *self = user;
  int32_t id = frame->hd.stream_id;
  Stream *stream = nghttp2_session_get_stream_user_data(h2, id);
  if (!stream) {
    self->last = id;
    stream = stream_new(self, id);
    if (!stream) return FAILED;
    nghttp2_session_set_stream_user_data(h2, id, stream);
    /* Incremental: streams of a connection take turns, whatever the peer would like. */
    nghttp2_extpri turns = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};
    if (nghttp2_session_change_extpri_stream_priority(h2, id, &turns, 1) == NGHTTP2_ERR_NOMEM) return NGHTTP2_ERR_NOMEM;
  }
  Py_CLEAR(stream->headers);
  stream->headers = PyList_New(0);
  stream->header_bytes = 0;
  return stream->headers ? 0 : FAILED;
}

/* nghttp2 reads the rest of the list for the sake of its table, and calls no more. */
static int refuse_headers(Session *self, Stream *stream) {
  Py_CLEAR(stream->headers);
  if (!stream->announced) stream->dropped = true;
  int result = nghttp2_submit_rst_stream(self->h2, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_ENHANCE_YOUR_CALM);
  if (result == 0) result = count_reset(self);
  return result < 0 ? result : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, nghttp2_rcbuf *name, nghttp2_rcbuf *value,
                     uint8_t flags, void *user) {
  Session *self = user;
  Stream *stream = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
  (void)flags;
  if (!stream || !stream->headers) return 0;
  stream->header_bytes += nghttp2_rcbuf_get_buf(name).len + nghttp2_rcbuf_get_buf(value).len + 32;
  if (stream->header_bytes > self->max_header_list) return refuse_headers(self, stream);
  PyObject *field = field_received(self, name, value);
  int result = field ? PyList_Append(stream->headers, field) : -1;
  Py_XDECREF(field);
  return result < 0 ? FAILED : 0;
}

static int on_data_chunk(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *data, size_t size, void *user) {
  Session *self = user;
  Stream *stream = nghttp2_session_get_stream_user_data(h2, id);
  (void)flags;
  if (!stream || stream->dropped) {
    int result = nghttp2_session_consume(h2, id, size);
    return result == NGHTTP2_ERR_NOMEM ? result : 0;
  }
  if (self->held && flush_held(self, false) < 0) return FAILED;
  self->held = PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)size);
  self->held_stream = id;
  stream->unconsumed += size;
  return self->held ? 0 : FAILED;
}

static int headers_received(Session *self, Stream *stream, bool ended) {
  PyObject *headers = stream->headers;
  stream->headers = NULL;
  stream->read_ended = stream->read_ended || ended;
  int result = 0;
  if (headers && !stream->announced) {
    stream->announced = true;
    self->open += 1;
    result = add_event(self, REQUEST, stream->number, headers, ended ? Py_True : Py_False);
  } else if (headers && !stream->dropped) {
    result = add_event(self, TRAILERS, stream->number, headers, NULL);
  }
  Py_XDECREF(headers);
  return result;
}

static int data_received(Session *self, Stream *stream, const nghttp2_data *frame, bool ended) {
  if (!ended && frame->hd.length <= frame->padlen && count_noise(self) < 0) return FAILED;
  stream->read_ended = stream->read_ended || ended;
  if (!self->held && ended) {
    self->held = Py_NewRef(self->module->empty);
    self->held_stream = stream->id;
  }
  return flush_held(self, ended);
}

static int ping_received(Session *self, const nghttp2_ping *frame) {
  if (!(frame->hd.flags & NGHTTP2_FLAG_ACK)) return 0;
  PyObject *zero = PyLong_FromLong(0), *data = PyBytes_FromStringAndSize((const char *)frame->opaque_data, 8);
  int result = zero && data ? add_event(self, PONG, zero, data, NULL) : FAILED;
  Py_XDECREF(zero);
  Py_XDECREF(data);
  return result;
}

static int goaway_received(Session *self, const nghttp2_goaway *frame) {
  PyObject *last = PyLong_FromLong(frame->last_stream_id);
  int result = last ? add_coded_event(self, GOAWAY, last, frame->error_code) : FAILED;
  Py_XDECREF(last);
  return result;
}

static int on_frame_received(nghttp2_session *h2, const nghttp2_frame *frame, void *user) {
  Session *self = user;
  bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
  Stream *stream;
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
      stream = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
      return stream ? headers_received(self, stream, ended) : 0;
    case NGHTTP2_DATA:
      stream = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
      return stream ? data_received(self, stream, &frame->data, ended) : 0;
    case NGHTTP2_PING:
      return ping_received(self, &frame->ping);
    case NGHTTP2_GOAWAY:
      return goaway_received(self, &frame->goaway);
    default:
      return 0;
  }
}

static int on_stream_close(nghttp2_session *h2, int32_t id, uint32_t code, void *user) {
  Session *self = user;
  Stream *stream = nghttp2_session_get_stream_user_data(h2, id);
  if (!stream) return 0;
  int result = 0;
  if (stream->announced && !stream->dropped) {
    bool good = stream->end_sent && code == NGHTTP2_NO_ERROR;
    result = add_coded_event(self, good ? CLOSED : RESET, stream->number, code);
    if (good && self->resets.level >= 1) self->resets.level -= 1;
  }
  /* What the caller will never consume must not shrink the window of the connection. */
  if (stream->unconsumed && nghttp2_session_consume_connection(h2, stream->unconsumed) == NGHTTP2_ERR_NOMEM)
    result = NGHTTP2_ERR_NOMEM;
  nghttp2_session_set_stream_user_data(h2, id, NULL);
  stream_free(self, stream);
  return result;
}

void set_receiving(nghttp2_session_callbacks *callbacks) {
  nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_received);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

static uint32_t code_of(h2_size result) {
  switch (result) {
    case NGHTTP2_ERR_FLOODED:
    case NGHTTP2_ERR_TOO_MANY_SETTINGS:
    case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS:
      return NGHTTP2_ENHANCE_YOUR_CALM;
    default:
      return NGHTTP2_PROTOCOL_ERROR;
  }
}

/* Raises SessionError once the GOAWAY is written. */
static int end_session(Session *self) {
  bool first = !self->dead;
  self->dead = true;
  if (first && !self->terminated) {
    if (check_result(self, nghttp2_session_terminate_session(self->h2, self->code)) < 0 || write_control(self) < 0) return -1;
  }
  PyObject *reason = PyUnicode_DecodeASCII(self->reason, (Py_ssize_t)strlen(self->reason), "replace");
  PyObject *error = reason ? PyObject_CallFunctionObjArgs(self->module->error, reason, NULL) : NULL;
  PyObject *code = PyLong_FromUnsignedLong(self->code);
  if (error && code && PyObject_SetAttrString(error, "code", code) == 0 &&
      PyObject_SetAttrString(error, "reason", reason) == 0)
    PyErr_SetObject(self->module->error, error);
  Py_XDECREF(error);
  Py_XDECREF(code);
  Py_XDECREF(reason);
  return -1;
}

static int fail_with(Session *self, uint32_t code, const char *reason) {
  if (!self->reason) {
    self->reason = reason;
    self->code = code;
  }
  return end_session(self);
}

/* Feeds nghttp2. The session is over when this fails: an exception is set then. */
int receive_frames(Session *self, const uint8_t *data, size_t size) {
  if (self->dead && !self->reason) self->reason = "a call ran out of memory";
  if (self->reason) return end_session(self);
  h2_size result = h2_receive(self->h2, data, size);
  if (result >= 0 && self->held && flush_held(self, false) < 0) result = FAILED;
  if (result == NGHTTP2_ERR_NOMEM || self->broken) PyErr_NoMemory();
  if (PyErr_Occurred()) {
    self->dead = true;
    return -1;
  }
  if (result < 0) return fail_with(self, code_of(result), nghttp2_strerror((int)result));
  if (write_control(self) < 0) {
    self->dead = true;
    return -1;
  }
  if (self->out.used > MOST_UNTAKEN) return fail_with(self, NGHTTP2_ENHANCE_YOUR_CALM, "the peer does not read");
  return self->reason ? end_session(self) : 0;
}
