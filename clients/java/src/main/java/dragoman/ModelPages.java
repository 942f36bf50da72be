package dragoman;

import dragoman.v1.ListModelsRequest;
import dragoman.v1.ListModelsResponse;
import dragoman.v1.Model;
import dragoman.v1.ModelServiceGrpc;
import java.util.Iterator;

/** Goes through the models, which the service returns page by page, as they are needed. */
final class ModelPages implements Iterator<Model> {
  private final Transport transport;
  private Iterator<Model> models;
  private String token = "";

  ModelPages(Transport transport) {
    this.transport = transport;
  }

  @Override
  public boolean hasNext() {
    while (models == null || (!models.hasNext() && !token.isEmpty())) {
      var request = ListModelsRequest.newBuilder().setPageToken(token).build();
      ListModelsResponse page = transport.call(ModelServiceGrpc.getListModelsMethod(), request);
      models = page.getModelsList().iterator();
      token = page.getNextPageToken();
    }
    return models.hasNext();
  }

  @Override
  public Model next() {
    hasNext();
    return models.next();
  }
}
