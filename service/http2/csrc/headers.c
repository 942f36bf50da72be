/* Header fields: those received as tuples of bytes, those to send as nghttp2 wants them. */
#include "session.h"

#include <string.h>

#define LONGEST_KNOWN 256       /* bytes of a field that is worth keeping */
#define MOST_SENT 65536         /* bytes of a list to send, as HTTP/2 counts; no more than nghttp2 sends */

static PyObject *bytes_of(nghttp2_rcbuf *buffer) {
  nghttp2_vec vector = nghttp2_rcbuf_get_buf(buffer);
  return PyBytes_FromStringAndSize((const char *)vector.base, (Py_ssize_t)vector.len);
}

static PyObject *make_field(nghttp2_rcbuf *name, nghttp2_rcbuf *value) {
  PyObject *first = bytes_of(name), *second = bytes_of(value), *field = NULL;
  if (first && second) field = PyTuple_Pack(2, first, second);
  Py_XDECREF(first);
  Py_XDECREF(second);
  return field;
}

static void forget(KnownField *known) {
  if (!known->field) return;
  nghttp2_rcbuf_decref(known->name);
  nghttp2_rcbuf_decref(known->value);
  Py_CLEAR(known->field);
}

void fields_forget(Session *self) {
  for (size_t i = 0; i < KNOWN_HASHES * KNOWN_PLACES; i++) forget(&self->known[i / KNOWN_PLACES][i % KNOWN_PLACES]);
}

static size_t hash_of(const nghttp2_rcbuf *name, const nghttp2_rcbuf *value) {
  uint64_t mixed = ((uint64_t)(uintptr_t)name * 31 + (uint64_t)(uintptr_t)value) * 0x9e3779b97f4a7c15u;
  return (size_t)(mixed >> 32) % KNOWN_HASHES;
}

static void move_first(KnownField *known, size_t place) {
  KnownField found = known[place];
  memmove(known + 1, known, place * sizeof *known);
  known[0] = found;
}

static void remember(KnownField *known, nghttp2_rcbuf *name, nghttp2_rcbuf *value, PyObject *field) {
  forget(&known[KNOWN_PLACES - 1]);
  nghttp2_rcbuf_incref(name);
  nghttp2_rcbuf_incref(value);
  known[KNOWN_PLACES - 1] = (KnownField){name, value, Py_NewRef(field)};
  move_first(known, KNOWN_PLACES - 1);
}

/* A field of the peer's table comes with the same two buffers each time; a reference keeps their addresses from reuse. */
PyObject *field_received(Session *self, nghttp2_rcbuf *name, nghttp2_rcbuf *value) {
  KnownField *known = self->known[hash_of(name, value)];
  for (size_t place = 0; place < KNOWN_PLACES; place++) {
    if (known[place].field && known[place].name == name && known[place].value == value) {
      if (place) move_first(known, place);
      return Py_NewRef(known[0].field);
    }
  }
  PyObject *field = make_field(name, value);
  size_t size = nghttp2_rcbuf_get_buf(name).len + nghttp2_rcbuf_get_buf(value).len;
  if (field && size <= LONGEST_KNOWN) remember(known, name, value, field);
  return field;
}

static int parse_field(nghttp2_nv *field, PyObject *item) {
  PyObject *name = NULL, *value = NULL;
  if (PyTuple_Check(item) && PyTuple_Size(item) == 2) {
    name = PyTuple_GetItem(item, 0);
    value = PyTuple_GetItem(item, 1);
  }
  if (!name || !PyBytes_Check(name) || !PyBytes_Check(value)) {
    PyErr_SetString(PyExc_TypeError, "a header is a tuple of two bytes objects: name, value");
    return -1;
  }
  field->name = (uint8_t *)PyBytes_AsString(name);
  field->namelen = (size_t)PyBytes_Size(name);
  field->value = (uint8_t *)PyBytes_AsString(value);
  field->valuelen = (size_t)PyBytes_Size(value);
  field->flags = NGHTTP2_NV_FLAG_NONE;
  if (!nghttp2_check_header_name(field->name, field->namelen) ||
      !nghttp2_check_header_value(field->value, field->valuelen)) {
    PyErr_Format(PyExc_ValueError, "HTTP/2 does not allow the header %R", item);
    return -1;
  }
  return 0;
}

static int parse_all(Fields *fields) {
  size_t bytes = 0;
  for (size_t i = 0; i < fields->count; i++) {
    nghttp2_nv *field = &fields->fields[i];
    if (parse_field(field, PyTuple_GetItem(fields->tuple, (Py_ssize_t)i)) < 0) return -1;
    bytes += field->namelen + field->valuelen + 32;
    if (bytes > MOST_SENT) {
      PyErr_Format(PyExc_ValueError, "the headers have more than %d bytes", MOST_SENT);
      return -1;
    }
  }
  return 0;
}

/* What it fills points into the objects of `fields->tuple`. Clear it in any case. */
int fields_parse(Fields *fields, PyObject *headers) {
  fields->fields = fields->few;
  fields->tuple = PySequence_Tuple(headers);
  if (!fields->tuple) return -1;
  fields->count = (size_t)PyTuple_Size(fields->tuple);
  if (fields->count > sizeof fields->few / sizeof *fields->few) {
    fields->fields = PyMem_Calloc(fields->count, sizeof *fields->fields);
    if (!fields->fields) {
      PyErr_NoMemory();
      return -1;
    }
  }
  return parse_all(fields);
}

void fields_clear(Fields *fields) {
  if (fields->fields != fields->few) PyMem_Free(fields->fields);
  Py_CLEAR(fields->tuple);
}
