/* Streams and the body that waits on each: references to the caller's bytes, copied only into frames. */
#include "session.h"

/* NULL if the caller does not know the stream yet, or does not care any more. */
Stream *stream_find(Session *self, int32_t id) {
  Stream *stream = self->dead ? NULL : nghttp2_session_get_stream_user_data(self->h2, id);
  return stream && stream->announced && !stream->dropped ? stream : NULL;
}

Stream *stream_new(Session *self, int32_t id) {
  Stream *stream = PyMem_Calloc(1, sizeof *stream);
  if (!stream) return (Stream *)PyErr_NoMemory();
  stream->id = id;
  stream->number = PyLong_FromLong(id);
  if (!stream->number) {
    PyMem_Free(stream);
    return NULL;
  }
  stream->next = self->streams;
  if (stream->next) stream->next->previous = stream;
  self->streams = stream;
  return stream;
}

static void drop_first(Stream *stream) {
  Chunk *chunk = stream->first;
  stream->first = chunk->next;
  stream->offset = 0;
  Py_DECREF(chunk->bytes);
  PyMem_Free(chunk);
}

void stream_free(Session *self, Stream *stream) {
  if (stream->previous) stream->previous->next = stream->next;
  else self->streams = stream->next;
  if (stream->next) stream->next->previous = stream->previous;
  if (stream->announced) self->open -= 1;
  while (stream->first) drop_first(stream);
  Py_XDECREF(stream->headers);
  Py_XDECREF(stream->trailers);
  Py_DECREF(stream->number);
  PyMem_Free(stream);
}

int stream_queue(Stream *stream, PyObject *bytes) {
  Chunk *chunk = PyMem_Malloc(sizeof *chunk);
  if (!chunk) {
    PyErr_NoMemory();
    return -1;
  }
  chunk->next = NULL;
  chunk->bytes = Py_NewRef(bytes);
  if (stream->first) stream->last->next = chunk;
  else stream->first = chunk;
  stream->last = chunk;
  stream->waiting += (size_t)PyBytes_Size(bytes);
  return 0;
}

/* Writes `size` bytes of the body, no more than wait. */
int stream_move(Stream *stream, size_t size, Output *out) {
  while (size) {
    PyObject *bytes = stream->first->bytes;
    size_t left = (size_t)PyBytes_Size(bytes) - stream->offset;
    size_t part = left < size ? left : size;
    if (output_write(out, PyBytes_AsString(bytes) + stream->offset, part) < 0) return -1;
    stream->offset += part;
    stream->waiting -= part;
    size -= part;
    if (part == left) drop_first(stream);
  }
  return 0;
}
