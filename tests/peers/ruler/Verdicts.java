import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import software.amazon.event.ruler.Machine;

/** For each line {"pattern": "..", "event": ".."}: y, n, or r where Ruler refuses the pattern. */
public final class Verdicts {
    public static void main(String[] unused) throws Exception {
        ObjectMapper mapper = new ObjectMapper();
        BufferedReader lines =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, false, "UTF-8");
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            JsonNode pair = mapper.readTree(line);
            out.println(verdict(pair.get("pattern").asText(), pair.get("event").asText()));
        }
        out.flush();
    }

    private static char verdict(String pattern, String event) throws Exception {
        Machine machine = new Machine();
        try {
            machine.addRule("rule", pattern);
        } catch (Exception refused) {
            return 'r';
        }
        return machine.rulesForJSONEvent(event).isEmpty() ? 'n' : 'y';
    }
}
