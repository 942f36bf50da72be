/* Bytes that wait to be taken: in `small`, or in memory of their own while they do not fit. */
#include "session.h"

#include <string.h>

#define FIRST_ROOM 20480 /* a full DATA frame, and the frames around it */

static int output_grow(Output *out, size_t size) {
  size_t room = (out->used + size) * 2;
  if (room < FIRST_ROOM) room = FIRST_ROOM;
  char *at = PyMem_Realloc(out->at == out->small ? NULL : out->at, room);
  if (!at) {
    PyErr_NoMemory();
    return -1;
  }
  if (out->at == out->small) memcpy(at, out->small, out->used);
  out->at = at;
  out->room = room;
  return 0;
}

int output_write(Output *out, const void *data, size_t size) {
  if (size > out->room - out->used && output_grow(out, size) < 0) return -1;
  memcpy(out->at + out->used, data, size);
  out->used += size;
  return 0;
}

void output_start(Output *out) {
  out->at = out->small;
  out->used = 0;
  out->room = sizeof out->small;
}

void output_clear(Output *out) {
  if (out->at != out->small) PyMem_Free(out->at);
  output_start(out);
}

PyObject *output_take(Output *out, PyObject *empty) {
  if (!out->used) return Py_NewRef(empty);
  PyObject *taken = PyBytes_FromStringAndSize(out->at, (Py_ssize_t)out->used);
  if (taken) output_clear(out);
  return taken;
}
