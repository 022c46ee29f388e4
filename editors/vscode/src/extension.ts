// Starts `nginxtls lsp` and connects VS Code to it.
import { ExtensionContext, window, workspace } from "vscode";
import { LanguageClient, LanguageClientOptions, ServerOptions } from "vscode-languageclient/node";

let client: LanguageClient | undefined;

export async function activate(context: ExtensionContext): Promise<void> {
  await start();
  context.subscriptions.push(
    workspace.onDidChangeConfiguration(async (change) => {
      if (change.affectsConfiguration("nginxtls.path")) {
        await client?.stop();
        await start();
      }
    }),
  );
}

export async function deactivate(): Promise<void> {
  await client?.stop();
}

async function start(): Promise<void> {
  const settings = workspace.getConfiguration("nginxtls");
  const server: ServerOptions = {
    command: settings.get<string>("path") || "nginxtls",
    args: ["lsp"],
    options: { cwd: workspace.workspaceFolders?.[0]?.uri.fsPath },
  };
  const options: LanguageClientOptions = {
    documentSelector: [
      { scheme: "file", language: "nginx" },
      { scheme: "untitled", language: "nginx" },
    ],
    synchronize: { configurationSection: "nginxtls" },
    initializationOptions: settings,
  };
  client = new LanguageClient("nginxtls", server, options);
  try {
    await client.start();
  } catch {
    window.showErrorMessage(
      "nginxtls could not be started: install nginxtls with its extra nginxtls[lsp], or set `nginxtls.path`.",
    );
  }
}
