package dragoman;

import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.function.Function;

/** Goes through the items of a list that the service returns page by page, as they are needed. */
final class Pages<R, T> implements Iterator<T> {
  private final Function<String, R> fetch;
  private final Function<R, List<T>> itemsOf;
  private final Function<R, String> tokenOf;
  private Iterator<T> items;
  private String token;

  /** {@code fetch} returns the page of a token, which is empty for the first one. */
  Pages(Function<String, R> fetch, Function<R, List<T>> itemsOf, Function<R, String> tokenOf) {
    this.fetch = fetch;
    this.itemsOf = itemsOf;
    this.tokenOf = tokenOf;
  }

  @Override
  public boolean hasNext() {
    while (items == null || (!items.hasNext() && !token.isEmpty())) {
      R page = fetch.apply(items == null ? "" : token);
      items = itemsOf.apply(page).iterator();
      token = tokenOf.apply(page);
    }
    return items.hasNext();
  }

  @Override
  public T next() {
    if (!hasNext()) {
      throw new NoSuchElementException("There are no further items");
    }
    return items.next();
  }
}
