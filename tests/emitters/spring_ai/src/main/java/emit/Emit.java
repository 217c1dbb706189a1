package emit;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.embedding.EmbeddingModel;
import org.springframework.ai.embedding.EmbeddingRequest;
import org.springframework.ai.openai.OpenAiChatOptions;
import org.springframework.ai.openai.OpenAiEmbeddingOptions;
import org.springframework.boot.CommandLineRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;

/** Spring AI on OpenAI: a chat, a stream, a call that is refused, an embedding. */
@SpringBootApplication
public class Emit {
  interface Call {
    void make() throws Exception;
  }

  public static void main(String[] args) {
    SpringApplication app = new SpringApplication(Emit.class);
    app.setWebApplicationType(WebApplicationType.NONE);
    app.setDefaultProperties(
        Map.of(
            "spring.ai.openai.api-key", "k",
            "spring.ai.openai.base-url", System.getenv("EMITTERS_STANDIN"),
            "spring.ai.retry.max-attempts", "1",
            "management.tracing.sampling.probability", "1.0",
            "management.otlp.tracing.endpoint", System.getenv("EMITTERS_RECEIVER") + "/v1/traces",
            "spring.application.name", "ward"));
    System.exit(SpringApplication.exit(app.run(args)));
  }

  @Bean
  CommandLineRunner calls(ChatModel model, EmbeddingModel embeddings, SdkTracerProvider provider) throws Exception {
    JsonNode calls = new ObjectMapper().readTree(new File(System.getenv("EMITTERS_CALLS")));
    ChatClient client = ChatClient.builder(model).defaultSystem(calls.get("system").asText()).build();
    JsonNode models = calls.get("models");
    String question = calls.get("question").asText();
    return args -> {
      make(provider, "chat", () -> ask(client, models.get("openai").asText(), question).call().content());
      make(provider, "chat_stream", () -> ask(client, models.get("openai").asText(), question).stream().content().blockLast());
      make(provider, "chat_error", () -> {
        try {
          ask(client, models.get("refused").asText(), question).call().content();
        } catch (RuntimeException refused) {
          return;
        }
        throw new IllegalStateException("it was answered");
      });
      make(provider, "embeddings", () -> embeddings.call(new EmbeddingRequest(java.util.List.of(question),
          OpenAiEmbeddingOptions.builder().model(models.get("openai_embeddings").asText()).dimensions(4).build())));
    };
  }

  private static ChatClient.ChatClientRequestSpec ask(ChatClient client, String model, String question) {
    return client.prompt().options(OpenAiChatOptions.builder().model(model).streamUsage(true).build()).user(question);
  }

  private static void make(SdkTracerProvider provider, String name, Call call) throws Exception {
    call.make();
    Thread.sleep(200);
    provider.forceFlush().join(10, TimeUnit.SECONDS);
    URI done = URI.create(System.getenv("EMITTERS_RECEIVER") + "/done?name=" + name);
    HttpRequest request = HttpRequest.newBuilder(done).POST(HttpRequest.BodyPublishers.noBody()).build();
    HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.discarding());
  }
}
