import java.io.*;
import java.net.Socket;
import java.security.cert.X509Certificate;
import java.security.cert.CertificateFactory;
import java.security.KeyStore;
import java.util.*;
import javax.net.ssl.*;

/** One HTTPS request for each line "PORT NAME CA" of standard input ("-" for none); prints "ok" or the error. */
public class Driver {
    public static void main(String[] arguments) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            String[] words = line.split(" ");
            String answer = "ok";
            Socket plain = null;
            try {
                SSLContext context = SSLContext.getInstance("TLS");
                context.init(null, words[2].equals("-") ? everything() : trust(words[2]), null);
                plain = new Socket("127.0.0.1", Integer.parseInt(words[0]));
                plain.setSoTimeout(8000);
                SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(
                    plain, words[1].equals("-") ? "127.0.0.1" : words[1], Integer.parseInt(words[0]), true);
                SSLParameters parameters = socket.getSSLParameters();
                if (!words[1].equals("-")) parameters.setServerNames(Arrays.<SNIServerName>asList(new SNIHostName(words[1])));
                if (!words[2].equals("-")) parameters.setEndpointIdentificationAlgorithm("HTTPS");
                socket.setSSLParameters(parameters);
                socket.startHandshake();
                socket.getOutputStream().write("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n".getBytes("US-ASCII"));
                if (socket.getInputStream().read() < 0) answer = "closed";
                socket.close();
            } catch (Throwable error) {
                answer = String.valueOf(error.getMessage()).replaceAll("\\s+", " ");
            } finally {
                if (plain != null) plain.close();
            }
            System.out.println(answer);
            System.out.flush();
        }
    }

    static TrustManager[] trust(String path) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        InputStream file = new FileInputStream(path);
        store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        return factory.getTrustManagers();
    }

    static TrustManager[] everything() {
        return new TrustManager[] {new X509ExtendedTrustManager() {
            public void checkClientTrusted(X509Certificate[] c, String a) {}
            public void checkServerTrusted(X509Certificate[] c, String a) {}
            public void checkClientTrusted(X509Certificate[] c, String a, Socket s) {}
            public void checkServerTrusted(X509Certificate[] c, String a, Socket s) {}
            public void checkClientTrusted(X509Certificate[] c, String a, SSLEngine e) {}
            public void checkServerTrusted(X509Certificate[] c, String a, SSLEngine e) {}
            public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
        }};
    }
}
