/* The module: constants, SessionError, Session. */
#include "session.h"

static const char *const names[] = {"REQUEST", "DATA", "TRAILERS", "RESET", "WRITABLE", "CLOSED", "PONG", "GOAWAY"};

PyDoc_STRVAR(error_doc,
             "The connection must be closed, because the peer broke the protocol or a limit.\n\n"
             "`take` still gives what to send first. `code` is HTTP/2's number of the error, `reason` a text.");

static int add_kinds(PyObject *object, Module *module) {
  for (int kind = 0; kind <= GOAWAY; kind++) {
    module->kinds[kind] = PyLong_FromLong(kind);
    if (!module->kinds[kind] || PyModule_AddObjectRef(object, names[kind], module->kinds[kind]) < 0) return -1;
  }
  return 0;
}

static int execute(PyObject *object) {
  Module *module = PyModule_GetState(object);
  const nghttp2_info *info = nghttp2_version(0);
  if (add_kinds(object, module) < 0) return -1;
  module->empty = PyBytes_FromStringAndSize(NULL, 0);
  module->nothing = PyTuple_New(0);
  if (!module->empty || !module->nothing) return -1;
  module->error = PyErr_NewExceptionWithDoc("dragoman_http2.SessionError", error_doc, NULL, NULL);
  if (!module->error || PyModule_AddObjectRef(object, "SessionError", module->error) < 0) return -1;
  module->type = (PyTypeObject *)PyType_FromModuleAndSpec(object, &session_spec, NULL);
  if (!module->type || PyModule_AddType(object, module->type) < 0) return -1;
  return PyModule_AddStringConstant(object, "NGHTTP2_VERSION", info->version_str);
}

static int traverse(PyObject *object, visitproc visit, void *arg) {
  Module *module = PyModule_GetState(object);
  Py_VISIT(module->type);
  Py_VISIT(module->error);
  return 0;
}

static int clear(PyObject *object) {
  Module *module = PyModule_GetState(object);
  Py_CLEAR(module->type);
  Py_CLEAR(module->error);
  Py_CLEAR(module->empty);
  Py_CLEAR(module->nothing);
  for (int kind = 0; kind <= GOAWAY; kind++) Py_CLEAR(module->kinds[kind]);
  return 0;
}

static void release(void *object) { clear(object); }

static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0, NULL}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "dragoman_http2._session",
    .m_doc = "A server-side HTTP/2 session without I/O.",
    .m_size = sizeof(Module),
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = release,
};

PyMODINIT_FUNC PyInit__session(void);
PyMODINIT_FUNC PyInit__session(void) { return PyModuleDef_Init(&definition); }
