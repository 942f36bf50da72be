/* Counts of what costs a server more than its sender. A limit is a burst and, with time, as many a second. */
#include "session.h"

bool bucket_add(Bucket *bucket) {
  bucket->level += 1;
  return bucket->level <= bucket->most;
}

void bucket_tick(Bucket *bucket, double seconds) {
  double level = bucket->level - seconds * bucket->most;
  bucket->level = level > 0 ? level : 0;
}

/* Makes nghttp2 stop at once; `receive` then fails the session. */
static int stop(Session *self, uint32_t code, const char *reason) {
  if (!self->reason) {
    self->reason = reason;
    self->code = code;
  }
  return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int flooded(Session *self, const char *reason) { return stop(self, NGHTTP2_ENHANCE_YOUR_CALM, reason); }

int count_reset(Session *self) {
  return bucket_add(&self->resets) ? 0 : flooded(self, "too many streams were reset");
}

int count_noise(Session *self) {
  return bucket_add(&self->noise) ? 0 : flooded(self, "too many frames that carry nothing");
}

static bool known(Session *self, int32_t id) { return nghttp2_session_get_stream_user_data(self->h2, id) != NULL; }

int count_frame(Session *self, const nghttp2_frame_hd *head) {
  switch (head->type) {
    case NGHTTP2_DATA: /* counted once its padding is known */
      return 0;
    case NGHTTP2_HEADERS:
      return head->stream_id <= self->last && !known(self, head->stream_id) ? count_noise(self) : 0;
    case NGHTTP2_RST_STREAM:
      return count_reset(self);
    case NGHTTP2_SETTINGS:
      return bucket_add(&self->settings) ? 0 : flooded(self, "too many SETTINGS");
    case NGHTTP2_PING:
      return bucket_add(&self->pings) ? 0 : flooded(self, "too many PINGs");
    case NGHTTP2_PRIORITY: /* which nghttp2 ignores */
      if (!head->stream_id) return stop(self, NGHTTP2_PROTOCOL_ERROR, "PRIORITY: stream_id == 0");
      return count_noise(self);
    default: /* CONTINUATION, GOAWAY, WINDOW_UPDATE */
      return count_noise(self);
  }
}
