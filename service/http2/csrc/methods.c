/* The methods of a Session, which the stub `__init__.pyi` describes. */
#include "session.h"

/* nghttp2 is not reentrant, and a collection of garbage inside a call may run any code. */
static Session *enter(PyObject *object, Py_ssize_t count, Py_ssize_t least, Py_ssize_t most) {
  Session *self = (Session *)object;
  if (count < least || count > most) {
    PyErr_Format(PyExc_TypeError, "expected %zd to %zd arguments, got %zd", least, most, count);
    return NULL;
  }
  if (self->busy || !self->events) {
    PyErr_SetString(PyExc_RuntimeError, "the session is inside of another call");
    return NULL;
  }
  self->busy = true;
  if (self->broken) self->dead = true;
  return self;
}

static PyObject *leave(Session *self, int result) {
  self->busy = false;
  return result < 0 ? NULL : Py_NewRef(Py_None);
}

/* Returns -1 with an exception, 0 if there is no such stream any more, else 1. */
static int find(Session *self, PyObject *number, Stream **stream) {
  long id = PyLong_AsLong(number);
  if (id == -1 && PyErr_Occurred()) return -1;
  *stream = id > 0 && id <= INT32_MAX ? stream_find(self, (int32_t)id) : NULL;
  return *stream != NULL;
}

static PyObject *session_receive(PyObject *object, PyObject *data) {
  Session *self = enter(object, 1, 1, 1);
  Py_buffer view;
  if (!self) return NULL;
  if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) return leave(self, -1);
  int result = receive_frames(self, view.buf, (size_t)view.len);
  PyBuffer_Release(&view);
  self->busy = false;
  PyObject *next = result < 0 ? NULL : PyList_New(0);
  if (!next) return NULL;
  PyObject *events = self->events;
  self->events = next;
  return events;
}

static PyObject *session_events(PyObject *object, PyObject *unused) {
  Session *self = enter(object, 0, 0, 0);
  (void)unused;
  if (!self) return NULL;
  self->busy = false;
  PyObject *next = PyList_New(0), *events = self->events;
  if (!next) return NULL;
  self->events = next;
  return events;
}

static PyObject *session_take(PyObject *object, PyObject *const *args, Py_ssize_t count) {
  Session *self = enter(object, count, 0, 1);
  if (!self) return NULL;
  Py_ssize_t limit = 65536;
  if (count) limit = PyLong_AsSsize_t(args[0]);
  if (limit < 1) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "the limit is below 1");
    return leave(self, -1);
  }
  if (!self->dead && write_frames(self, (size_t)limit) < 0) {
    self->dead = true;
    return leave(self, -1);
  }
  self->busy = false;
  return output_take(&self->out, self->module->empty);
}

static PyObject *session_respond(PyObject *object, PyObject *const *args, Py_ssize_t count) {
  Session *self = enter(object, count, 2, 2);
  Stream *stream;
  if (!self) return NULL;
  int found = find(self, args[0], &stream);
  return leave(self, found <= 0 ? found : submit_headers(self, stream, args[1], false));
}

static PyObject *session_fail(PyObject *object, PyObject *const *args, Py_ssize_t count) {
  Session *self = enter(object, count, 2, 2);
  Stream *stream;
  if (!self) return NULL;
  int found = find(self, args[0], &stream);
  return leave(self, found <= 0 ? found : submit_headers(self, stream, args[1], true));
}

static PyObject *session_send(PyObject *object, PyObject *const *args, Py_ssize_t count) {
  Session *self = enter(object, count, 2, 2);
  Stream *stream;
  if (!self) return NULL;
  int result = find(self, args[0], &stream);
  if (result > 0) result = submit_body(self, stream, args[1]);
  self->busy = false;
  return result < 0 ? NULL : PyLong_FromSize_t(stream ? stream->waiting : 0);
}

static PyObject *session_end(PyObject *object, PyObject *const *args, Py_ssize_t count) {
  Session *self = enter(object, count, 1, 2);
  Stream *stream;
  if (!self) return NULL;
  int found = find(self, args[0], &stream);
  return leave(self, found <= 0 ? found : submit_end(self, stream, count == 2 ? args[1] : self->module->nothing));
}

static PyObject *session_answer(PyObject *object, PyObject *const *args, Py_ssize_t count) {
  Session *self = enter(object, count, 4, 4);
  Stream *stream;
  if (!self) return NULL;
  int result = find(self, args[0], &stream);
  if (result > 0) result = submit_headers(self, stream, args[1], false);
  if (result == 0 && stream) result = submit_body(self, stream, args[2]);
  if (result == 0 && stream) result = submit_end(self, stream, args[3]);
  return leave(self, result);
}

static PyObject *session_reset(PyObject *object, PyObject *const *args, Py_ssize_t count) {
  Session *self = enter(object, count, 2, 2);
  Stream *stream;
  if (!self) return NULL;
  int found = find(self, args[0], &stream);
  unsigned long code = found < 0 ? 0 : PyLong_AsUnsignedLong(args[1]);
  if (found < 0 || PyErr_Occurred()) return leave(self, -1);
  if (!found) return leave(self, 0);
  stream->dropped = true;
  return leave(self, check_result(self, nghttp2_submit_rst_stream(self->h2, NGHTTP2_FLAG_NONE, stream->id, (uint32_t)code)));
}

static PyObject *session_consume(PyObject *object, PyObject *const *args, Py_ssize_t count) {
  Session *self = enter(object, count, 2, 2);
  Stream *stream;
  if (!self) return NULL;
  int found = find(self, args[0], &stream);
  size_t size = found < 0 ? 0 : PyLong_AsSize_t(args[1]);
  if (found < 0 || PyErr_Occurred()) return leave(self, -1);
  if (!found) return leave(self, 0);
  if (size > stream->unconsumed) size = stream->unconsumed;
  stream->unconsumed -= size;
  if (stream->read_ended) return leave(self, check_result(self, nghttp2_session_consume_connection(self->h2, size)));
  return leave(self, check_result(self, nghttp2_session_consume(self->h2, stream->id, size)));
}

static PyObject *session_ping(PyObject *object, PyObject *data) {
  Session *self = enter(object, 1, 1, 1);
  if (!self) return NULL;
  if (!PyBytes_Check(data) || PyBytes_Size(data) != 8) {
    PyErr_SetString(PyExc_ValueError, "a ping has 8 bytes");
    return leave(self, -1);
  }
  if (self->dead) return leave(self, 0);
  const uint8_t *bytes = (const uint8_t *)PyBytes_AsString(data);
  return leave(self, check_result(self, nghttp2_submit_ping(self->h2, NGHTTP2_FLAG_NONE, bytes)));
}

static PyObject *session_notice(PyObject *object, PyObject *unused) {
  Session *self = enter(object, 0, 0, 0);
  (void)unused;
  if (!self) return NULL;
  return leave(self, self->dead ? 0 : check_result(self, nghttp2_submit_shutdown_notice(self->h2)));
}

static PyObject *session_goaway(PyObject *object, PyObject *const *args, Py_ssize_t count) {
  Session *self = enter(object, count, 0, 1);
  if (!self) return NULL;
  unsigned long code = count ? PyLong_AsUnsignedLong(args[0]) : NGHTTP2_NO_ERROR;
  if (PyErr_Occurred()) return leave(self, -1);
  if (self->dead) return leave(self, 0);
  if (code != NGHTTP2_NO_ERROR) self->goaways += 1;
  int32_t last = nghttp2_session_get_last_proc_stream_id(self->h2);
  return leave(self, check_result(self, nghttp2_submit_goaway(self->h2, NGHTTP2_FLAG_NONE, last, (uint32_t)code, NULL, 0)));
}

static PyObject *session_tick(PyObject *object, PyObject *seconds) {
  Session *self = enter(object, 1, 1, 1);
  if (!self) return NULL;
  double passed = PyFloat_AsDouble(seconds);
  if (!(passed >= 0)) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "time does not run backwards");
    return leave(self, -1);
  }
  bucket_tick(&self->resets, passed);
  bucket_tick(&self->pings, passed);
  bucket_tick(&self->settings, passed);
  bucket_tick(&self->noise, passed);
  return leave(self, 0);
}

static PyObject *session_streams(PyObject *object, void *unused) {
  (void)unused;
  return PyLong_FromSsize_t(((Session *)object)->open);
}

static PyObject *session_finished(PyObject *object, void *unused) {
  Session *self = (Session *)object;
  (void)unused;
  bool over = self->dead || self->broken || (!nghttp2_session_want_read(self->h2) && !nghttp2_session_want_write(self->h2));
  return PyBool_FromLong(over && !self->out.used);
}

#define FAST(name) {#name, (PyCFunction)(void (*)(void))session_##name, METH_FASTCALL, NULL}

PyMethodDef session_methods[] = {
    {"receive", session_receive, METH_O, NULL},
    {"events", session_events, METH_NOARGS, NULL},
    FAST(take),
    FAST(respond),
    FAST(send),
    FAST(end),
    FAST(answer),
    FAST(fail),
    FAST(reset),
    FAST(consume),
    {"ping", session_ping, METH_O, NULL},
    {"notice", session_notice, METH_NOARGS, NULL},
    FAST(goaway),
    {"tick", session_tick, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

PyGetSetDef session_getset[] = {
    {"streams", session_streams, NULL, NULL, NULL},
    {"finished", session_finished, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
