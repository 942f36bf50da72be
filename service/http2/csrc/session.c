/* The life of a Session. Its methods are in methods.c. */
#include "session.h"

static void *noted(void *at, void *user) {
  if (!at) ((Session *)user)->broken = true;
  return at;
}

static void *h2_malloc(size_t size, void *user) { return noted(PyMem_Malloc(size), user); }
static void *h2_calloc(size_t count, size_t size, void *user) { return noted(PyMem_Calloc(count, size), user); }
static void *h2_realloc(void *at, size_t size, void *user) { return noted(PyMem_Realloc(at, size), user); }
static void h2_free(void *at, void *user) {
  (void)user;
  PyMem_Free(at);
}

typedef struct {
  unsigned int max_streams, max_header_list, stream_window, connection_window, high_water, low_water;
  unsigned int max_resets, max_pings, max_settings, max_empty;
} Options;

static int parse_options(Options *o, PyObject *args, PyObject *keywords) {
  static char *names[] = {"max_streams", "max_header_list", "stream_window", "connection_window", "high_water",
                          "low_water", "max_resets", "max_pings", "max_settings", "max_empty", NULL};
  *o = (Options){1000, 65536, 65535, 1048576, 65536, 16384, 1000, 100, 32, 10000};
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "|$IIIIIIIIII:Session", names, &o->max_streams, &o->max_header_list,
                                   &o->stream_window, &o->connection_window, &o->high_water, &o->low_water,
                                   &o->max_resets, &o->max_pings, &o->max_settings, &o->max_empty))
    return -1;
  if (o->stream_window > INT32_MAX || o->connection_window > INT32_MAX || o->connection_window < 65535) {
    PyErr_SetString(PyExc_ValueError, "windows have at most 2**31 - 1 bytes, that of the connection at least 65535");
    return -1;
  }
  if (o->low_water > o->high_water) {
    PyErr_SetString(PyExc_ValueError, "low_water is above high_water");
    return -1;
  }
  return 0;
}

static int create_h2(Session *self) {
  nghttp2_mem memory = {self, h2_malloc, h2_free, h2_calloc, h2_realloc};
  nghttp2_session_callbacks *callbacks = NULL;
  nghttp2_option *option = NULL;
  int result = nghttp2_session_callbacks_new(&callbacks);
  if (result == 0) result = nghttp2_option_new(&option);
  if (result == 0) {
    set_receiving(callbacks);
    set_sending(callbacks);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    /* Clients send values with spaces around them, such as "Bearer " with an empty key. The caller says what is wrong. */
    nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(option, 1);
    /* limits.c counts resets, so that good answers make up for cancelled ones. */
    nghttp2_option_set_stream_reset_rate_limit(option, UINT64_MAX, UINT64_MAX);
    result = nghttp2_session_server_new3(&self->h2, callbacks, self, option, &memory);
  }
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  return check_result(self, result);
}

static int start_h2(Session *self, const Options *o) {
  nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, o->max_streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, o->stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, o->max_header_list},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  };
  int result = nghttp2_submit_settings(self->h2, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings);
  if (result == 0)
    result = nghttp2_session_set_local_window_size(self->h2, NGHTTP2_FLAG_NONE, 0, (int32_t)o->connection_window);
  return check_result(self, result);
}

static PyObject *session_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  Options options;
  if (parse_options(&options, args, keywords) < 0) return NULL;
  Session *self = (Session *)PyType_GenericAlloc(type, 0);
  if (!self) return NULL;
  output_start(&self->out);
  self->module = PyType_GetModuleState(type);
  self->max_header_list = options.max_header_list;
  self->high_water = options.high_water;
  self->low_water = options.low_water;
  self->resets.most = options.max_resets;
  self->pings.most = options.max_pings;
  self->settings.most = options.max_settings;
  self->noise.most = options.max_empty;
  self->events = PyList_New(0);
  if (!self->events || create_h2(self) < 0 || start_h2(self, &options) < 0) Py_CLEAR(self);
  return (PyObject *)self;
}

static int session_traverse(PyObject *object, visitproc visit, void *arg) {
  Session *self = (Session *)object;
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(self->events);
  for (Stream *stream = self->streams; stream; stream = stream->next) {
    Py_VISIT(stream->headers);
    Py_VISIT(stream->trailers);
  }
  return 0;
}

static int session_clear(PyObject *object) {
  Session *self = (Session *)object;
  Py_CLEAR(self->events);
  for (Stream *stream = self->streams; stream; stream = stream->next) {
    Py_CLEAR(stream->headers);
    Py_CLEAR(stream->trailers);
  }
  return 0;
}

static void session_dealloc(PyObject *object) {
  Session *self = (Session *)object;
  PyTypeObject *type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  fields_forget(self);
  /* After an allocation has failed, some releases of nghttp2 free a frame twice: then it is leaked. */
  if (self->h2 && !self->broken) nghttp2_session_del(self->h2);
  session_clear(object);
  while (self->streams) stream_free(self, self->streams);
  Py_CLEAR(self->held);
  output_clear(&self->out);
  freefunc release = PyType_GetSlot(type, Py_tp_free);
  release(object);
  Py_DECREF(type);
}

PyDoc_STRVAR(session_doc, "One connection, fed with bytes, which gives events and bytes.");

static PyType_Slot session_slots[] = {
    {Py_tp_doc, (void *)session_doc},
    {Py_tp_new, session_new},
    {Py_tp_dealloc, session_dealloc},
    {Py_tp_traverse, session_traverse},
    {Py_tp_clear, session_clear},
    {Py_tp_methods, session_methods},
    {Py_tp_getset, session_getset},
    {0, NULL},
};

PyType_Spec session_spec = {
    .name = "dragoman_http2.Session",
    .basicsize = sizeof(Session),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = session_slots,
};
