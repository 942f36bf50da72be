/* One connection's session, and what its source files share. */
#ifndef DRAGOMAN_HTTP2_SESSION_H
#define DRAGOMAN_HTTP2_SESSION_H

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdint.h>

/* nghttp2 1.60 renamed what returns a signed size. */
#if NGHTTP2_VERSION_NUM >= 0x013c00
typedef nghttp2_ssize h2_size;
typedef nghttp2_data_provider2 h2_provider;
#define h2_receive nghttp2_session_mem_recv2
#define h2_send nghttp2_session_mem_send2
#define h2_submit_data nghttp2_submit_data2
#else
typedef ssize_t h2_size;
typedef nghttp2_data_provider h2_provider;
#define h2_receive nghttp2_session_mem_recv
#define h2_send nghttp2_session_mem_send
#define h2_submit_data nghttp2_submit_data
#endif

enum event { REQUEST, DATA, TRAILERS, RESET, WRITABLE, CLOSED, PONG, GOAWAY };

/* A count that falls by `most` a second: a burst of `most` is allowed. */
typedef struct {
  double level, most;
} Bucket;

typedef struct Chunk {
  struct Chunk *next;
  PyObject *bytes;
} Chunk;

/* A request and its response, from the first header until nghttp2 closes the stream. */
typedef struct Stream {
  struct Stream *previous, *next;
  int32_t id;
  PyObject *number;     /* the id as a Python int */
  PyObject *headers;    /* the list that is being received, or NULL */
  PyObject *trailers;   /* a tuple, from `end` until they are submitted, or NULL */
  Chunk *first, *last;  /* the body that waits */
  size_t offset;        /* bytes of the first chunk that are sent */
  size_t waiting;       /* bytes of the body that wait */
  size_t header_bytes;  /* of the list that is being received */
  size_t unconsumed;    /* bytes received that `consume` has not named yet */
  bool announced;       /* the caller knows of it */
  bool read_ended;      /* the request is complete */
  bool responded;       /* response headers are submitted */
  bool started;         /* the body is submitted, or resumed from then on */
  bool ended;           /* the caller sends no more */
  bool end_sent;        /* END_STREAM is written */
  bool dropped;         /* the caller has reset it */
  bool above;           /* more than high_water waits, or did and is not yet at low_water */
} Stream;

/* What waits to be taken. */
typedef struct {
  size_t used, room;
  char *at;
  char small[2048];
} Output;

/* Header fields as the peer's table holds them, so that a repeated one costs no new object: a few places for each hash,
   the last used first. */
#define KNOWN_HASHES 16
#define KNOWN_PLACES 4
typedef struct {
  nghttp2_rcbuf *name, *value;
  PyObject *field;
} KnownField;

typedef struct {
  PyTypeObject *type;
  PyObject *error;   /* SessionError */
  PyObject *empty;   /* b"" */
  PyObject *nothing; /* () */
  PyObject *kinds[GOAWAY + 1];
} Module;

typedef struct {
  PyObject_HEAD
  Module *module;
  nghttp2_session *h2;
  PyObject *events;     /* a list */
  Stream *streams;
  int32_t last;         /* the highest id of a stream so far */
  Py_ssize_t open;      /* streams that the caller knows of */
  PyObject *held;       /* the last chunk of DATA, until it is known whether the stream ends with it */
  int32_t held_stream;
  size_t limit;         /* of this `take` */
  size_t max_header_list, high_water, low_water;
  Bucket resets, pings, settings, noise;
  const char *reason;   /* why the session fails, once it does */
  unsigned int goaways; /* with an error that the caller has submitted, not yet written */
  uint32_t code;        /* of the GOAWAY that ends the session */
  char text[128];       /* what nghttp2 said, for `reason` */
  bool terminated;      /* nghttp2 decided on that GOAWAY, which is in `out` */
  bool dead;            /* `receive` has raised; what is in `out` is the last */
  bool broken;          /* nghttp2 ran out of memory, and must not be called again */
  bool busy;
  Output out;
  KnownField known[KNOWN_HASHES][KNOWN_PLACES];
} Session;

/* session.c */
extern PyType_Spec session_spec;

/* methods.c */
extern PyMethodDef session_methods[];
extern PyGetSetDef session_getset[];

/* limits.c */
bool bucket_add(Bucket *bucket);
void bucket_tick(Bucket *bucket, double seconds);
int count_frame(Session *self, const nghttp2_frame_hd *head);
int count_reset(Session *self);
int count_noise(Session *self);

/* output.c */
int output_write(Output *out, const void *data, size_t size);
PyObject *output_take(Output *out, PyObject *empty);
void output_start(Output *out);
void output_clear(Output *out);

/* streams.c */
Stream *stream_find(Session *self, int32_t id);
Stream *stream_new(Session *self, int32_t id);
void stream_free(Session *self, Stream *stream);
int stream_queue(Stream *stream, PyObject *bytes);
int stream_move(Stream *stream, size_t size, Output *out);

/* headers.c */
PyObject *field_received(Session *self, nghttp2_rcbuf *name, nghttp2_rcbuf *value);
void fields_forget(Session *self);
typedef struct {
  PyObject *tuple; /* keeps what `fields` points at */
  nghttp2_nv *fields;
  size_t count;
  nghttp2_nv few[16];
} Fields;
int fields_parse(Fields *fields, PyObject *headers);
void fields_clear(Fields *fields);

/* receiving.c, sending.c */
int add_event(Session *self, enum event kind, PyObject *number, PyObject *third, PyObject *fourth);
int add_coded_event(Session *self, enum event kind, PyObject *number, uint32_t code);
int flush_held(Session *self, bool ended);
int receive_frames(Session *self, const uint8_t *data, size_t size);
void set_receiving(nghttp2_session_callbacks *callbacks);
void set_sending(nghttp2_session_callbacks *callbacks);
int write_frames(Session *self, size_t limit);
int write_control(Session *self);
int submit_headers(Session *self, Stream *stream, PyObject *headers, bool last);
int submit_body(Session *self, Stream *stream, PyObject *data);
int submit_end(Session *self, Stream *stream, PyObject *trailers);
int check_result(const Session *self, int result);

#endif
