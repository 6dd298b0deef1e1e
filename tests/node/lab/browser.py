"""A headless Chromium, driven through ChromeDriver's HTTP interface (W3C WebDriver)."""
import base64
import json
import shutil
import tempfile
import urllib.error
import urllib.request

from . import system

FLAGS = ('--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
         '--disable-background-networking', '--disable-component-update', '--disable-dev-shm-usage')


class Browser:
    """One window; `close` ends the browser and its driver."""

    def __init__(self, width=1400, height=1000):
        self.place = tempfile.mkdtemp(prefix='cubelet-browser-')
        port = system.free_port()
        self.base = f'http://127.0.0.1:{port}'
        self.log = f'{self.place}/driver.log'
        self.session = None
        self.process = system.spawn(['chromedriver', f'--port={port}', '--allowed-ips=127.0.0.1'], self.log)
        try:
            system.wait_for('chromedriver answers', self._is_ready, explain=lambda: system.tail(self.log))
            options = {'args': [*FLAGS, f'--user-data-dir={self.place}/data', f'--window-size={width},{height}']}
            self.session = self._ask('POST', '/session', {'capabilities': {'alwaysMatch': {
                'goog:chromeOptions': options, 'goog:loggingPrefs': {'browser': 'ALL'}}}})['sessionId']
        except BaseException:
            self.close()
            raise

    def _ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {'Content-Type': 'application/json'}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)['value']
        except urllib.error.HTTPError as error:
            raise AssertionError(f'{method} {path}: {error.read().decode(errors="replace")[:2000]}') from None

    def _is_ready(self):
        try:
            return self._ask('GET', '/status')['ready']
        except OSError:
            return False

    def _command(self, path, body):
        return self._ask('POST', f'/session/{self.session}/{path}', body)

    def open(self, url):
        """Load a page."""
        self._command('url', {'url': url})

    def run(self, script, *words):
        """Run a function's body in the page; what it returns."""
        return self._command('execute/sync', {'script': script, 'args': list(words)})

    def texts(self, selector):
        """The texts of all elements of a CSS selector."""
        return self.run('return [...document.querySelectorAll(arguments[0])].map(one => one.textContent)', selector)

    def press(self, selector, keys):
        """Type into an element, as a keyboard does."""
        element = self._command('element', {'using': 'css selector', 'value': selector})
        self._command(f'element/{next(iter(element.values()))}/value', {'text': keys})

    def complaints(self):
        """Errors and warnings of the page (scripts, its security policy, missing files)."""
        return [row['message'] for row in self._command('se/log', {'type': 'browser'})
                if row['level'] in ('SEVERE', 'WARNING')]

    def emulate(self, scheme):
        """Prefer a colour scheme: light or dark."""
        self._command('goog/cdp/execute', {'cmd': 'Emulation.setEmulatedMedia', 'params': {
            'features': [{'name': 'prefers-color-scheme', 'value': scheme}]}})

    def screenshot(self, path):
        """Save what the window shows as a PNG."""
        with open(path, 'wb') as file:
            file.write(base64.b64decode(self._ask('GET', f'/session/{self.session}/screenshot')))

    def close(self):
        """End it."""
        if self.session:
            self._ask('DELETE', f'/session/{self.session}')
            self.session = None
        system.end(self.process)
        shutil.rmtree(self.place, ignore_errors=True)
