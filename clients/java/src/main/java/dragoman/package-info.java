/** The client of a Dragoman service. {@link dragoman.DragomanClient} is where to begin. */
package dragoman;
